"""Servers that fork, and a program in Rust, share one session."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import begin, create
from .stores import free_port, wait_for

HERE = Path(__file__).parent


class Client:
    """A browser with one session."""

    def __init__(self) -> None:
        self.cookie = ""

    def send(self, port: int, method: str, path: str) -> tuple[int, str]:
        """Send a request, and return the status and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path, headers={"Cookie": self.cookie} if self.cookie else {})
        response = connection.getresponse()
        cookie = response.getheader("set-cookie")
        if cookie:
            self.cookie = cookie.split(";")[0]
        body = response.read().decode()
        connection.close()
        return response.status, body

    def fields(self, port: int) -> dict[str, object]:
        """Return the fields of the session, as a server shows them."""
        status, body = self.send(port, "GET", "/")
        assert status == 200
        fields: dict[str, object] = json.loads(body)
        return fields


@contextmanager
def running(command: list[str], port: int | None = None, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, and check that it ends as it should."""
    process = subprocess.Popen(command, env=os.environ | environment, cwd=HERE)
    try:
        if port is not None:
            wait_for(port, process)
        yield process
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def gunicorn(port: int, *options: str) -> list[str]:
    """Return the command of gunicorn."""
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--log-level", "warning", "-w", "3"]
    return [*command, "-b", f"127.0.0.1:{port}", *options, "server:app"]


def spread(count: int, send: Callable[[int], tuple[int, str]]) -> None:
    """Send requests at the same time. None may fail."""
    with ThreadPoolExecutor(16) as pool:
        assert [status for status, _ in pool.map(send, range(count))] == [200] * count


def check(command: list[str], port: int, **environment: str) -> None:
    """Change a session in a server until each of its processes did."""
    with running(command, port, **environment):
        client = Client()
        client.send(port, "PUT", "/first/1")
        pids = set()

        def put(number: int) -> tuple[int, str]:
            status, body = client.send(port, "PUT", f"/{number}/{number}")
            pids.add(json.loads(body)["pid"])
            return status, body

        spread(60, put)
        assert len(client.fields(port)) == 61
        while len(pids) < 2:  # one may still start
            put(0)


@pytest.mark.parametrize(
    ("preload", "used"),
    [([], ""), (["--preload"], ""), (["--preload"], "1")],
    ids=["", "preload", "preload and use"],
)
@pytest.mark.parametrize("worker", [["-k", "sync"], ["-k", "gthread", "--threads", "4"]], ids=["sync", "gthread"])
def test_gunicorn_loses_no_change(redis: str, worker: list[str], preload: list[str], used: str) -> None:
    port = free_port()
    check(gunicorn(port, *worker, *preload), port, SESSION_STORE=redis, USE_BEFORE_FORK=used)


def test_gunicorn_with_gevent_loses_no_change(redis: str) -> None:
    port = free_port()
    check(gunicorn(port, "-k", "gevent", "--preload"), port, SESSION_STORE=redis, USE_BEFORE_FORK="1")


@pytest.mark.parametrize("options", [["--threads", "4"], ["--lazy-apps"]], ids=["threads", "lazy-apps"])
def test_uwsgi_loses_no_change(redis: str, options: list[str]) -> None:
    port = free_port()
    command = [sys.executable, "-c", "import pyuwsgi; pyuwsgi.run()", "--master", "--processes", "2", *options]
    command += ["--http-socket", f"127.0.0.1:{port}", "--module", "server:app", "--need-app"]
    command += ["--die-on-term", "--disable-logging", "--log-master", "--logger", "file:/dev/null"]
    check(command, port, SESSION_STORE=redis, USE_BEFORE_FORK="1")


def test_celery_loses_no_change(redis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_STORE", redis)
    monkeypatch.setenv("QUEUE", str(tmp_path))
    from .celery_app import app, manager

    cookie = create(manager, first=1)
    worker = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--pool", "prefork", "--concurrency", "2"]
    with running([*worker, "--loglevel", "WARNING", "--without-gossip", "--without-mingle"]):
        for number in range(20):
            app.send_task("put", [cookie.decode(), str(number)])
        deadline = time.monotonic() + 60
        while len(begin(manager, cookie)) < 21:
            assert time.monotonic() < deadline, "a task failed"
            time.sleep(0.05)


def test_gunicorn_reloads_under_load(redis: str) -> None:
    port = free_port()
    command = gunicorn(port, "-k", "gthread", "--threads", "4", "--graceful-timeout", "60")
    with running(command, port, SESSION_STORE=redis) as process:
        client = Client()
        client.send(port, "PUT", "/first/1")
        pids = set()

        def put(number: int) -> tuple[int, str]:
            if number in (30, 60):
                process.send_signal(signal.SIGHUP)
            try:
                status, body = client.send(port, "PUT", f"/{number}/{number}")
            except (ConnectionError, http.client.HTTPException):  # the worker had closed its socket
                return client.send(port, "PUT", f"/{number}/{number}")
            pids.add(json.loads(body)["pid"])
            return status, body

        spread(120, put)
        assert len(client.fields(port)) == 121
        assert pids


def test_a_session_is_shared_with_a_program_in_rust(redis: str) -> None:
    assert "FIELDS" in os.environ, "FIELDS has to be the path of the example in Rust: run test.sh"
    python, rust = free_port(), free_port()
    settings = {"SESSION_STORE": redis}
    with (
        running([os.environ["FIELDS"]], rust, BIND=f"127.0.0.1:{rust}", **settings),
        running(gunicorn(python), python, **settings),
    ):
        client = Client()
        client.send(rust, "PUT", "/userid/anna")
        assert client.fields(python) == {"userid": "anna"}
        client.send(python, "PUT", "/seen/%C3%A9")
        assert client.fields(rust) == {"userid": '"anna"', "seen": '"é"'}
        spread(200, lambda number: client.send([python, rust][number % 2], "PUT", f"/{number}/{number}"))
        assert len(client.fields(python)) == len(client.fields(rust)) == 202

        old = client.cookie
        client.send(python, "POST", "/renew")
        assert client.cookie != old
        assert len(client.fields(rust)) == 202
        client.send(rust, "POST", "/renew")
        assert len(client.fields(python)) == 202
        stale = Client()
        stale.cookie = old
        assert stale.fields(python) == stale.fields(rust) == {}
        ended = Client()
        ended.cookie = client.cookie
        client.send(python, "DELETE", "/")
        assert ended.fields(rust) == {}
