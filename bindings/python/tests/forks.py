"""What processes do around a fork or their end. `test_forks.py` runs it with each Python: SCENARIO URL COUNT."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from shared_session import Session, SessionEnded, SessionManager, drain, metrics

PATIENCE = int(os.environ.get("PATIENCE", "60"))
"""After so many seconds, a child hangs."""


def patient(url: str) -> SessionManager:
    """Return a manager that waits longer for its store than a busy machine needs."""
    return SessionManager.from_env(store=url, store_timeout="60s")


def begin(manager: SessionManager, cookie: bytes | None = None) -> Session:
    exchange = manager.begin([] if cookie is None else [cookie], safe=False, https=False).wait()
    return Session(exchange, manager.principal_field)


def create(manager: SessionManager) -> bytes:
    session = begin(manager)
    session["a"] = 1
    return dict(session.finish().wait().headers([], []))["set-cookie"].split(";")[0].encode()


def fork(child: Callable[[], None], *, by_exit: bool = False) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            if code == 0 and by_exit:
                sys.exit(0)  # with what is registered for the exit
            os._exit(code)
    return pid


def wait(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            assert status == 0, f"child ended with {status}"
            return
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGABRT)
            raise AssertionError("child hangs")
        time.sleep(0.001)


def busy(manager: SessionManager, cookie: bytes) -> None:
    """Use the sessions in four threads and in an event loop, for ever."""

    def calls() -> None:
        while True:
            begin(manager, cookie)

    async def tasks() -> None:
        async def task() -> None:
            while True:
                await manager.begin([cookie], safe=True, https=False)

        async def waiting() -> None:
            while True:
                exchange = await manager.begin([cookie], safe=True, https=False)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(Session(exchange, manager.principal_field).ended(), 0.001)

        await asyncio.gather(*(task() for _ in range(8)), *(waiting() for _ in range(4)))

    for target in [calls] * 4 + [lambda: asyncio.run(tasks())]:
        threading.Thread(target=target, daemon=True).start()


def fork_during_calls(url: str, count: int) -> None:
    """Fork while threads and tasks are in calls. A child finishes its parent's request, and has others."""
    manager = patient(url)
    cookie = create(manager)
    busy(manager, cookie)
    for number in range(count):
        request = begin(manager, cookie)
        request[f"child {number}"] = True

        def child(request: Session = request) -> None:
            request.finish().wait().headers([], [])
            assert request["a"] == 1
            assert begin(manager, cookie)["a"] == 1

            async def main() -> None:
                await manager.begin([cookie], safe=True, https=False)

            asyncio.run(main())

        wait(fork(child, by_exit=number % 4 == 0))
    assert len(begin(manager, cookie)) == count + 1


def fork_with_cache(url: str, count: int) -> None:
    """Fork while the process remembers sessions. A child does so by itself, and both see what the other changes."""
    manager = SessionManager.from_env(store=url, store_timeout="60s", cache="2s")

    def read(cookie: bytes) -> Session:
        exchange = manager.begin([cookie], safe=True, https=False).wait()
        return Session(exchange, manager.principal_field)

    def wait_until_remembered(cookie: bytes) -> None:
        hits, before = 0.0, 0.0
        while hits == before:
            before = hits
            read(cookie)
            hits = sum(metric.value for metric in metrics() if metric.name == "session.cache.hits")

    busy(manager, create(manager))
    for number in range(count):
        cookie = create(manager)
        wait_until_remembered(cookie)
        reader, writer = os.pipe()

        request = read(cookie)

        def child(cookie: bytes = cookie, writer: int = writer, request: Session = request) -> None:
            wait_until_remembered(cookie)
            try:
                asyncio.run(request.ended())
            except RuntimeError as error:
                assert "forked" in str(error)  # noqa: PT017
            else:
                raise AssertionError("the session is still there")
            os.write(writer, b"1")
            while "changed" not in read(cookie):
                time.sleep(0.001)
            wait_until_remembered(cookie)
            session = begin(manager, cookie)
            session.end()
            session.finish().wait()
            assert read(cookie) == {}

        pid = fork(child, by_exit=number % 4 == 0)
        os.close(writer)
        if os.read(reader, 1):  # nothing if the child failed
            session = begin(manager, cookie)
            session["changed"] = True
            session.finish().wait()
        os.close(reader)
        wait(pid)
        while read(cookie) != {}:
            time.sleep(0.001)


def fork_in_a_fork(url: str, count: int) -> None:
    """Fork a child that forks a child, before and after each used a session."""
    manager = patient(url)
    cookie = create(manager)
    busy(manager, cookie)
    for number in range(count):
        request = begin(manager, cookie)

        def grandchild(request: Session = request, number: int = number) -> None:
            request[f"grandchild {number}"] = True
            request.finish().wait().headers([], [])

        def child(number: int = number) -> None:
            if number % 2:
                busy(manager, cookie)
                begin(manager, cookie)
            wait(fork(grandchild))
            assert begin(manager, cookie)["a"] == 1

        wait(fork(child))
    assert len(begin(manager, cookie)) == count + 1


def fork_and_log_out(url: str, count: int) -> None:
    """Finish a request in a child after its session ended. It fails, and begins no other one."""
    manager = patient(url)
    for _ in range(count):
        cookie = create(manager)
        request, ended = begin(manager, cookie), begin(manager, cookie)
        ended.end()
        ended.finish().wait()

        def child(request: Session = request) -> None:
            request["a"] = 2
            try:
                request.finish().wait()
            except SessionEnded:
                return
            raise AssertionError("the session ended")

        wait(fork(child))
        assert begin(manager, cookie) == {}


def sign_in_in_a_child(url: str, count: int) -> None:
    """Sign a user in, before and after the fork, to a request that a child finishes. The user stays signed in."""
    manager = patient(url)
    for number in range(count):
        cookie = create(manager)
        busy(manager, cookie)
        request = begin(manager, cookie)
        if number % 2:
            request.sign_in("anna", remember=True)

        def child(request: Session = request, number: int = number) -> None:
            if number % 2 == 0:
                try:
                    request.sign_in("")
                except ValueError:
                    request.sign_in("anna", remember=True)
            headers = dict(request.finish().wait().headers([], []))
            assert "Max-Age=" in headers["set-cookie"], headers["set-cookie"][-40:]
            session = begin(manager, headers["set-cookie"].split(";")[0].encode())
            assert (session.user, session.remembered, session["a"]) == ("anna", True, 1)

        wait(fork(child))


def renewal_is_settled_in_a_child(url: str, count: int) -> None:
    """Lose the response of a renewal in a child. The old id works again, although the parent's thread is not there."""
    manager = patient(url)
    cookie = create(manager)
    for _ in range(count):
        begin(manager, cookie)

        def child() -> None:
            session = begin(manager, cookie)
            session.renew()
            session.finish().wait()  # and nobody takes its headers
            drain(PATIENCE)
            assert begin(manager, cookie)["a"] == 1

        wait(fork(child))


def inherited_objects_are_dropped(url: str, count: int) -> None:
    """Drop in a child whatever the parent had: requests, outcomes, replies, mailboxes."""
    manager = patient(url)
    cookie = create(manager)
    busy(manager, cookie)

    async def main() -> None:
        for _ in range(count):
            requests = [begin(manager, cookie) for _ in range(4)]
            renewed = begin(manager, create(manager))
            renewed.renew()
            outcome = [renewed.finish().wait()]
            tasks = [asyncio.ensure_future(_await(manager, cookie)) for _ in range(4)]
            waiting = [asyncio.ensure_future(request.ended()) for request in requests]
            await asyncio.sleep(0)

            def child(owned: list[list[Any]] = [requests, outcome, tasks, waiting]) -> None:  # noqa: B006
                for task in owned[-1]:
                    task.get_coro().close()  # as when it is cancelled
                for values in owned:
                    values.clear()
                begin(manager, cookie)

            await asyncio.to_thread(wait, fork(child))
            await asyncio.gather(*tasks)
            outcome[0].headers([], [])
            for task in waiting:
                task.cancel()

    asyncio.run(main())


async def _await(manager: SessionManager, cookie: bytes) -> None:
    await manager.begin([cookie], safe=True, https=False)


def _change(url: str, cookie: bytes, name: str) -> None:
    session = begin(patient(url), cookie)
    session[name] = True
    session.finish().wait()


def multiprocessing_works(url: str, count: int) -> None:
    """Change a session in processes of each start method, and in a pool."""
    manager = patient(url)
    cookie = create(manager)
    busy(manager, cookie)
    for method in ["fork", "spawn", "forkserver"]:
        context: Any = multiprocessing.get_context(method)
        names = [f"{method} {number}" for number in range(count)]
        processes = [context.Process(target=_change, args=(url, cookie, name)) for name in names]
        for process in processes:
            process.start()
        for process in processes:
            process.join(PATIENCE)
            assert process.exitcode == 0, (method, process.exitcode)
        with context.Pool(2) as pool:
            pool.starmap(_change, [(url, cookie, f"pool {name}") for name in names])
        assert begin(manager, cookie).keys() >= {*names, *(f"pool {name}" for name in names)}


def exit_in_flight(url: str, count: int) -> None:
    """Exit while calls are in flight: in threads, in tasks, and to a store that never replies."""
    for number in range(count):

        def child(number: int = number) -> None:
            manager = patient(url)
            cookie = create(manager)
            busy(manager, cookie)
            silent = SessionManager(store=f"redis://127.0.0.1:{listener.getsockname()[1]}", store_timeout="30s")
            threading.Thread(target=begin, args=(silent, cookie), daemon=True).start()
            time.sleep(number % 10 / 100)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            wait(fork(child, by_exit=True))


def interrupt(_url: str, count: int) -> None:
    """Interrupt a thread that waits for a store which never replies."""
    cookie = create(SessionManager())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        manager = SessionManager(store=f"redis://127.0.0.1:{listener.getsockname()[1]}", store_timeout="30s")
        for _ in range(count):
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                begin(manager, cookie)
            except KeyboardInterrupt:
                continue
            raise AssertionError("not interrupted")
        os._exit(0)  # what was begun would be waited for


if __name__ == "__main__":
    # a shell ignores it in programs that it runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _, scenario, url, count = sys.argv
    globals()[scenario](url, int(count))
