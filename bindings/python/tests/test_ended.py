"""Waiting for the end of a session."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from shared_session import Session, SessionManager
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from .conftest import begin, create
from .stores import Server, commands, free_port, wait_for
from .test_cache import until

PAGE = Path(__file__).parents[3] / "docs/python.md"
PATIENCE = 60
"""After so many seconds, something does not happen."""


def log_out(manager: SessionManager, cookie: bytes) -> None:
    session = begin(manager, cookie)
    session.end()
    session.finish().wait()


def sign_in(manager: SessionManager, cookie: bytes) -> None:
    """Sign another user in."""
    session = begin(manager, cookie)
    session.sign_in("bert")
    session.finish().wait().headers([], [])


def revoke(manager: SessionManager, cookie: bytes) -> None:
    assert manager.revoke("anna", str(begin(manager, cookie).handle))


@pytest.mark.parametrize("end", [log_out, revoke, sign_in])
def test_it_ends_with_the_session(private_redis: Server, end: Callable[[SessionManager, bytes], None]) -> None:
    """Where Redis tells of the end, sooner than where the process asks."""
    manager, asking = (SessionManager(store=private_redis.url, **more) for more in ({"cache": "2s"}, {}))
    cookie = create(asking, userid="anna")

    async def main() -> None:
        exchange = await manager.begin([cookie], safe=True, https=False)
        told = asyncio.create_task(Session(exchange, "userid").ended())
        asked = asyncio.create_task(begin(asking, cookie).ended())
        await asyncio.sleep(1)
        change = begin(asking, cookie)
        change["other"] = 1
        await change.finish()
        await asyncio.sleep(1)
        assert not told.done()
        assert not asked.done()
        await asyncio.to_thread(end, asking, cookie)
        done, _ = await asyncio.wait([told, asked], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        assert done == {told}
        await asyncio.wait_for(asked, PATIENCE)
        # it ended before
        await asyncio.wait_for(Session(exchange, "userid").ended(), PATIENCE)

    asyncio.run(main())


@pytest.mark.parametrize("cache", [{"cache": "2s"}, {}], ids=["cache", "no cache"])
def test_it_ends_when_the_session_expires(private_redis: Server, cache: dict[str, str]) -> None:
    manager = SessionManager(store=private_redis.url, ttl="2s", remember_ttl="2s", **cache)
    session = begin(manager, create(manager, userid="anna"))
    asyncio.run(asyncio.wait_for(session.ended(), PATIENCE))


def test_it_never_ends_without_a_session(manager: SessionManager) -> None:
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(begin(manager).ended(), 0.5)

    asyncio.run(main())


def change(server: Server, manager: SessionManager, cookie: bytes) -> int:
    """Change a field. Return how many commands Redis runs because of it: whoever waits asks it after each change."""
    before = commands(server.port)
    session = begin(manager, cookie)
    session["changed"] = session.get("changed", 0) + 1
    session.finish().wait()
    time.sleep(1)
    return commands(server.port) - before


def test_whoever_stops_waiting_leaves_nothing_behind(private_redis: Server) -> None:
    manager, other = (SessionManager(store=private_redis.url, **more) for more in ({"cache": "60s"}, {}))
    cookie = create(other, userid="anna")
    alone = [change(private_redis, other, cookie) for _ in range(2)][1]  # the first one stores scripts

    async def main() -> None:
        session = begin(manager, cookie)
        tasks = [asyncio.create_task(session.ended()) for _ in range(20)]
        await asyncio.sleep(1)
        assert await asyncio.to_thread(change, private_redis, other, cookie) >= alone + 20
        for task in tasks[1:]:
            task.cancel()
        await asyncio.wait(tasks[1:])
        assert alone < await asyncio.to_thread(change, private_redis, other, cookie) < alone + 20

    # the end of the loop cancels the task that still waits
    asyncio.run(main())
    assert change(private_redis, other, cookie) == alone


def test_a_change_by_the_waiting_process_itself_is_noticed(private_redis: Server) -> None:
    manager = SessionManager(store=private_redis.url, cache="2s")
    cookie = create(manager, userid="anna")

    async def main() -> None:
        ended = asyncio.create_task(begin(manager, cookie).ended())
        await asyncio.sleep(0.5)
        await asyncio.to_thread(log_out, manager, cookie)
        await asyncio.wait_for(ended, PATIENCE)

    asyncio.run(main())


@pytest.fixture
def example() -> str:
    """Return an application with the example of the documentation."""
    (code,) = (code for code in re.findall("```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if ".ended()" in code)
    imports = ["from fastapi import FastAPI, Request, WebSocket", "from shared_session.asgi import SessionMiddleware"]
    return "\n".join([*imports, "app = FastAPI()", "app.add_middleware(SessionMiddleware)", code])


def test_a_websocket_closes_itself(private_redis: Server, monkeypatch: pytest.MonkeyPatch, example: str) -> None:
    monkeypatch.setenv("SESSION_STORE", private_redis.url)
    monkeypatch.setenv("SESSION_CACHE", "2s")
    names: dict[str, Any] = {}
    exec(example, names)
    manager = SessionManager(store=private_redis.url)
    cookie = create(manager, userid="anna")
    client = TestClient(names["app"], headers={"cookie": cookie.decode()})
    with client.websocket_connect("/chat") as websocket:
        websocket.send_text("hello")
        assert websocket.receive_text() == "hello"
        log_out(manager, cookie)
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_text()
        assert closed.value.code == 1008


@contextmanager
def serving(example: str, folder: Path, store: str) -> Iterator[httpx.Client]:
    """Serve the example with uvicorn, to a client who has signed in."""
    (folder / "example.py").write_text(example)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "example:app", "--port", str(port), "--log-level", "warning"]
    environment = {**os.environ, "SESSION_STORE": store, "SESSION_CACHE": "60s"}
    cookie = create(SessionManager(store=store), userid="anna").decode()
    process = subprocess.Popen(command, env=environment, cwd=folder)
    try:
        wait_for(port, process)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"cookie": cookie}, timeout=PATIENCE) as client:
            yield client
    finally:
        process.terminate()
        process.wait()


def test_an_event_stream_closes_itself(private_redis: Server, tmp_path: Path, example: str) -> None:
    with serving(example, tmp_path, private_redis.url) as client, client.stream("GET", "/events") as response:
        lines = response.iter_lines()
        assert next(lines) == "data: still signed in"
        assert SessionManager(store=private_redis.url).revoke_all("anna") == 1
        assert set(lines) <= {"", "data: still signed in"}


def test_a_client_that_hangs_up_ends_the_waiting(private_redis: Server, tmp_path: Path, example: str) -> None:
    manager = SessionManager(store=private_redis.url)
    with serving(example, tmp_path, private_redis.url) as client:
        cookie = client.headers["cookie"].encode()
        alone = [change(private_redis, manager, cookie) for _ in range(2)][1]  # the first one stores scripts
        with ExitStack() as streams:
            bodies = [streams.enter_context(client.stream("GET", "/events")).iter_raw() for _ in range(5)]
            assert all(next(body) for body in bodies)
            until(lambda: change(private_redis, manager, cookie) >= alone + 5)
        until(lambda: change(private_redis, manager, cookie) == alone)
