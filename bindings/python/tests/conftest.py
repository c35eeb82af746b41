"""What the tests share: a Redis, and sessions in it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from shared_session import Session, SessionManager
from shared_session._engine import Outcome


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "the server did not start"
            time.sleep(0.01)
        else:
            return


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """Return the URL of a Redis."""
    server = shutil.which("redis-server")
    assert server, "redis-server is missing"
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]
    process = subprocess.Popen([server, *options])
    wait_for(port, process)
    yield f"redis://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture(params=["memory", "redis"])
def manager(request: pytest.FixtureRequest) -> SessionManager:
    """Return the manager of sessions in each store."""
    url = "memory:" if request.param == "memory" else request.getfixturevalue("redis")
    return SessionManager(store=url)


def begin(manager: SessionManager, cookie: bytes | None = None) -> Session:
    """Begin a request."""
    cookies = [] if cookie is None else [cookie]
    return Session(manager.begin(cookies, safe=False, https=False).wait(), manager.principal_field)


def cookie_of(outcome: Outcome) -> bytes:
    """Return the cookie that a response sets."""
    return dict(outcome.headers([], []))["set-cookie"].split(";")[0].encode()


def create(manager: SessionManager, **fields: object) -> bytes:
    """Begin a session, and return its cookie."""
    session = begin(manager)
    session.update(fields)
    return cookie_of(session.finish(b"a device").wait())
