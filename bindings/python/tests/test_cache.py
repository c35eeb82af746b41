"""The cache of the records that a process read (`SESSION_CACHE`)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from shared_session import Session, SessionManager

from .conftest import begin, create
from .stores import Server, cli, commands, free_port
from .test_servers import Client, gunicorn, running


def read(manager: SessionManager, cookie: bytes) -> Session:
    """Read a session as a safe request does."""
    return Session(manager.begin([cookie], safe=True, https=False).wait(), manager.principal_field)


def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def costs(server: Server, act: Callable[[], object]) -> int:
    """Return how many commands something costs."""
    before = commands(server.port)
    act()
    return commands(server.port) - before


def wait_until_remembered(server: Server, manager: SessionManager, cookie: bytes) -> None:
    until(lambda: costs(server, lambda: read(manager, cookie)) == 0)


def change(server: Server, cookie: bytes, name: str) -> None:
    """Set a field in another process."""
    program = f"from tests.forks import _change; _change({server.url!r}, {cookie!r}, {name!r})"
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], check=True)


def test_a_manager_does_not_connect_before_its_first_use(private_redis: Server) -> None:
    def connections() -> str:
        line = next(
            line for line in cli(private_redis.port, "INFO stats").splitlines() if "total_connections_received" in line
        )
        return line.split(":")[1]

    before = int(connections())
    threads = os.listdir("/proc/self/task") if sys.platform == "linux" else []
    for _ in range(20):
        SessionManager(store=private_redis.url, cache="2s")
    time.sleep(0.2)
    assert int(connections()) == before + 1, "only that of this test"
    assert threads == (os.listdir("/proc/self/task") if threads else [])


def test_a_repeated_read_costs_no_command(private_redis: Server) -> None:
    manager = SessionManager(store=private_redis.url, cache="60s")
    cookie = create(manager, userid="anna")
    wait_until_remembered(private_redis, manager, cookie)
    assert costs(private_redis, lambda: [read(manager, cookie) for _ in range(100)]) == 0
    assert read(manager, cookie).user == "anna"
    assert costs(private_redis, lambda: begin(manager, cookie)) > 0, "a request that may change something"


def test_a_change_and_a_log_out_in_this_process_are_seen_at_once(private_redis: Server) -> None:
    manager = SessionManager(store=private_redis.url, cache="60s")
    cookie = create(manager, userid="anna")
    for number in range(20):
        wait_until_remembered(private_redis, manager, cookie)
        session = begin(manager, cookie)
        session["number"] = number
        session.finish().wait()
        assert read(manager, cookie)["number"] == number
    wait_until_remembered(private_redis, manager, cookie)
    session = begin(manager, cookie)
    session.end()
    session.finish().wait()
    assert read(manager, cookie) == {}


def test_a_change_and_a_log_out_in_another_process_are_seen(private_redis: Server) -> None:
    manager = SessionManager(store=private_redis.url, cache="2s")
    cookie = create(manager, userid="anna")
    wait_until_remembered(private_redis, manager, cookie)
    change(private_redis, cookie, "seen")
    until(lambda: "seen" in read(manager, cookie))
    wait_until_remembered(private_redis, manager, cookie)
    assert SessionManager(store=private_redis.url).revoke_all("anna") == 1
    until(lambda: read(manager, cookie) == {})


def test_the_workers_of_gunicorn_see_changes_of_each_other(private_redis: Server) -> None:
    """Also if the process that forked them used its cache before."""
    port = free_port()
    settings = {"SESSION_STORE": private_redis.url, "SESSION_CACHE": "2s", "USE_BEFORE_FORK": "1"}
    with running(gunicorn(port, "--preload"), port, **settings):
        client = Client()
        client.send(port, "PUT", "/userid/anna")
        read_often: Callable[[], object] = lambda: [client.fields(port) for _ in range(30)]  # noqa: E731
        until(lambda: costs(private_redis, read_often) == 0)
        client.send(port, "PUT", "/seen/1")
        until(lambda: all("seen" in client.fields(port) for _ in range(30)))
        until(lambda: costs(private_redis, read_often) == 0)
        late = Client()
        late.cookie = client.cookie
        client.send(port, "DELETE", "/")
        until(lambda: all(late.fields(port) == {} for _ in range(30)))
