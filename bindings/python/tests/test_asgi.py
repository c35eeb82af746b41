"""The door for ASGI."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import httpx
import pytest
import quart
from litestar import Litestar, post
from litestar import Request as LitestarRequest
from litestar.middleware import DefineMiddleware
from quart.sessions import SessionInterface, SessionMixin
from shared_session import Session, SessionManager
from shared_session.asgi import SessionMiddleware, session_of
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from .asgi_app import app as tutorial
from .conftest import begin, create
from .stores import free_port, wait_for

Handler = Callable[[Request], Awaitable[Response]]


@pytest.fixture
def client(manager: SessionManager) -> TestClient:
    """Return a client of the tutorial's application."""
    return TestClient(SessionMiddleware(_bare(tutorial), manager), raise_server_exceptions=False)


def _bare(app: Any) -> Any:
    """Return the application without its own session middleware, whose settings are in the environment."""
    app.user_middleware = []
    return app


def serving(manager: SessionManager, handler: Handler, cookie: bytes | None = None) -> TestClient:
    """Return a client of one view, which has the cookie."""
    app = Starlette(routes=[Route("/", handler, methods=["GET", "POST"])])
    app.add_middleware(SessionMiddleware, manager=manager)
    headers = {} if cookie is None else {"cookie": cookie.decode()}
    return TestClient(app, raise_server_exceptions=False, headers=headers)


def sid(client: TestClient | httpx.Client) -> bytes:
    return f"sid={client.cookies['sid']}".encode()


def test_an_application_of_the_tutorial_works(client: TestClient, manager: SessionManager) -> None:
    response = client.get("/")
    assert "set-cookie" not in response.headers
    assert response.headers["vary"] == "Cookie"
    assert client.post("/add/tea").json() == ["tea"]
    first = sid(client)
    response = client.post("/login/anna")
    assert response.headers["cache-control"] == "no-store"
    second = sid(client)
    assert first != second
    assert client.get("/").json() == {"cart": ["tea"], "userid": "anna"}
    assert client.post("/add/milk").json() == ["tea", "milk"]
    assert begin(manager, second) == {"cart": ["tea", "milk"], "userid": "anna"}
    assert "Max-Age=0" in client.post("/logout").headers["set-cookie"]
    assert begin(manager, second) == {}
    assert client.get("/").json() == {}


def test_headers_of_the_response_are_merged(manager: SessionManager) -> None:
    async def view(request: Request) -> Response:
        request.session["a"] = 1
        return Response(headers={"vary": "Accept", "cache-control": "max-age=60", "set-cookie": "own=1"})

    response = serving(manager, view).get("/")
    assert response.headers.get_list("vary") == ["Accept, Cookie"]
    assert response.headers.get_list("cache-control") == ["no-store"]
    assert [cookie.split("=")[0] for cookie in response.headers.get_list("set-cookie")] == ["own", "sid"]


def test_https_is_what_the_proxy_says(client: TestClient) -> None:
    assert "Secure" not in client.post("/login/anna").headers["set-cookie"]
    assert "Secure" in client.post("/login/anna", headers={"x-forwarded-proto": "https"}).headers["set-cookie"]
    secure = TestClient(client.app, base_url="https://testserver")
    assert "Secure" in secure.post("/login/anna").headers["set-cookie"]


def test_a_change_of_a_session_that_ended_is_refused(manager: SessionManager) -> None:
    cookie = create(manager, userid="anna")

    async def view(request: Request) -> Response:
        other = begin(manager, cookie)
        other.end()
        other.finish().wait()
        request.session["a"] = 1
        return PlainTextResponse("done")

    response = serving(manager, view, cookie).post("/")
    assert response.status_code == 409
    assert "done" not in response.text
    assert begin(manager, cookie) == {}
    client = serving(manager, view, create(manager, a=0))
    assert client.post("/").status_code == 200


def test_a_stream_is_replaced_too(manager: SessionManager) -> None:
    """Whoever streams without end is stopped, also by a server of the newer specification."""
    cookie = create(manager, a=1)

    async def endless() -> Any:
        while True:
            yield b"more"
            await asyncio.sleep(0)

    async def view(request: Request) -> Response:
        other = begin(manager, cookie)
        other.end()
        other.finish().wait()
        request.session["a"] = 2
        return StreamingResponse(endless())

    response = serving(manager, view, cookie).post("/", headers={"accept": "application/json"})
    assert response.status_code == 409
    assert response.json()["status"] == 409


def test_a_session_that_is_too_large_is_refused(redis: str) -> None:
    manager = SessionManager(store=redis, max_size=4096)

    async def view(request: Request) -> Response:
        request.session["a"] = "x" * 5000
        return PlainTextResponse("done")

    response = serving(manager, view).post("/")
    assert response.status_code == 413
    assert "set-cookie" not in response.headers
    assert response.headers["content-length"] == str(len(response.content))


def test_a_store_that_is_away_signs_nobody_out() -> None:
    manager = SessionManager(store=f"redis://127.0.0.1:{free_port()}", store_timeout="200ms")

    async def view(request: Request) -> Response:
        return PlainTextResponse("served")

    assert serving(manager, view).get("/").text == "served"
    cookie = create(SessionManager(store="memory:"), a=1)
    response = serving(manager, view, cookie).get("/")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "set-cookie" not in response.headers
    assert serving(manager, view, cookie).head("/").content == b""


def test_a_response_stores_whatever_its_status(client: TestClient) -> None:
    assert client.post("/forbidden").status_code == 403
    assert client.get("/").json() == {"tried": True}


def test_an_application_that_raises_stores_nothing(manager: SessionManager) -> None:
    cookie = create(manager, a=1)

    async def view(request: Request) -> Response:
        request.session["a"] = 2
        raise RuntimeError("a bug")

    assert serving(manager, view, cookie).post("/").status_code == 500
    assert begin(manager, cookie) == {"a": 1}


def test_a_value_that_is_no_json_is_an_error_of_the_application(manager: SessionManager) -> None:
    async def view(request: Request) -> Response:
        request.session["a"] = []
        request.session["a"].append(object())
        return PlainTextResponse("done")

    response = serving(manager, view).post("/")
    assert response.status_code == 500
    assert "set-cookie" not in response.headers


def test_a_stream_comes_with_the_session(client: TestClient, manager: SessionManager) -> None:
    assert client.post("/stream").text == "one two"
    assert begin(manager, sid(client)) == {"streamed": True}


def test_a_change_after_the_start_of_the_response_is_logged(
    manager: SessionManager, caplog: pytest.LogCaptureFixture
) -> None:
    async def view(request: Request) -> Response:
        request.session["list"] = [1]
        return PlainTextResponse("", background=BackgroundTask(request.session["list"].append, 2))

    client = serving(manager, view)
    with caplog.at_level(logging.ERROR):
        client.post("/")
    assert "the change is lost" in caplog.text
    assert begin(manager, sid(client)) == {"list": [1]}


def test_the_inner_one_of_two_middlewares_does_nothing(
    manager: SessionManager, caplog: pytest.LogCaptureFixture
) -> None:
    async def view(request: Request) -> Response:
        request.session["a"] = 1
        return PlainTextResponse("")

    middleware = [Middleware(SessionMiddleware, manager=manager)] * 2
    client = TestClient(Starlette(routes=[Route("/", view)], middleware=middleware))
    assert len(client.get("/").headers.get_list("set-cookie")) == 1
    assert "two session middlewares" in caplog.text


def test_a_websocket_reads_the_session(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    client.post("/login/anna")
    with client.websocket_connect("/socket") as websocket:
        assert websocket.receive_json() == {"userid": "anna"}
    assert client.get("/").json() == {"userid": "anna"}
    assert "a websocket changed its session" in caplog.text


def test_a_websocket_is_refused_while_the_store_is_away() -> None:
    manager = SessionManager(store=f"redis://127.0.0.1:{free_port()}", store_timeout="200ms")
    cookie = create(SessionManager(store="memory:"), a=1).decode()
    client = TestClient(SessionMiddleware(_bare(tutorial), manager), headers={"cookie": cookie})
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/socket"):
        pass
    assert getattr(refused.value, "status_code", None) == 503 or refused.value.code == 1013


def test_what_was_begun_ends_if_the_task_is_cancelled(manager: SessionManager) -> None:
    """And a renewal whose cookie nobody gets is undone."""
    cookie = create(manager, userid="anna")
    sent: list[Any] = []

    async def app(scope: MutableMapping[str, Any], _receive: object, send: Any) -> None:
        scope["session"]["a"] = 1
        scope["session"].renew()
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().call_soon(task.cancel)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def run() -> None:
        scope = {"type": "http", "method": "POST", "headers": [(b"cookie", cookie)], "scheme": "http"}
        task = asyncio.ensure_future(SessionMiddleware(app, manager)(scope, receive, send))
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(1000):  # the loop goes on, as a server's does
            exchange = await manager.begin([cookie], safe=True, https=False)
            if "a" in exchange.fields():
                break
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert sent == []
    session = begin(manager, cookie)
    assert session == {"userid": "anna", "a": 1}
    session["userid"] = "bert"  # with a superseded id, this is refused
    session.finish().wait()
    assert begin(manager, cookie) == {"userid": "bert", "a": 1}


def test_polls_do_not_extend_the_idle_timeout(redis: str) -> None:
    manager = SessionManager(store=redis, key_prefix="asgi-polls:")
    app = SessionMiddleware(_bare(tutorial), manager, extend_idle_timeout=lambda scope: scope["path"] != "/poll")
    client = TestClient(app)
    client.post("/set/a")
    cli = ["redis-cli", "-u", redis, "--raw"]
    key = subprocess.check_output([*cli, "keys", "asgi-polls:*"], text=True).strip()
    subprocess.check_output([*cli, "expire", key, "60"])
    client.get("/poll")
    assert int(subprocess.check_output([*cli, "ttl", key])) <= 60
    client.get("/")
    assert int(subprocess.check_output([*cli, "ttl", key])) > 60


def test_litestar_has_the_session(manager: SessionManager) -> None:
    @post("/")
    async def count(request: LitestarRequest[Any, Any, Any]) -> int:
        request.session["n"] = request.session.get("n", 0) + 1
        n: int = request.session["n"]
        return n

    @post("/replace")
    async def replace(request: LitestarRequest[Any, Any, Any]) -> None:
        request.set_session({"m": 1})

    @post("/clear")
    async def clear(request: LitestarRequest[Any, Any, Any]) -> None:
        request.clear_session()

    app = Litestar([count, replace, clear], middleware=[DefineMiddleware(SessionMiddleware, manager=manager)])
    client = TestClient(app)  # type: ignore[arg-type]
    assert [client.post("/").json() for _ in range(2)] == [1, 2]
    cookie = sid(client)
    assert begin(manager, cookie) == {"n": 2}
    client.post("/replace")
    assert begin(manager, cookie) == {"m": 1}
    client.post("/clear")
    assert begin(manager, cookie) == {}
    assert not client.cookies


class _QuartSession(Session, SessionMixin):
    pass


class _QuartSessions(SessionInterface):
    async def open_session(self, app: quart.Quart, request: Any) -> Any:
        return session_of(request)

    async def save_session(self, app: quart.Quart, session: SessionMixin, response: Any) -> None:
        """Leave it to the middleware."""


def test_quart_has_the_session(manager: SessionManager) -> None:
    app = quart.Quart(__name__)
    app.session_interface = _QuartSessions()  # type: ignore[assignment]
    app.asgi_app = SessionMiddleware(app.asgi_app, manager)  # type: ignore[method-assign]

    @app.post("/")
    async def count() -> list[str]:
        quart.session["n"] = quart.session.get("n", 0) + 1
        await quart.flash(f"count {quart.session['n']}")
        return quart.get_flashed_messages()  # type: ignore[return-value]

    client = TestClient(app)  # type: ignore[arg-type]
    assert [client.post("/").json() for _ in range(2)] == [["count 1"], ["count 2"]]
    assert begin(manager, sid(client)) == {"n": 2}


@pytest.fixture(scope="module")
def server(redis: str) -> Iterator[str]:
    """Return the URL of the tutorial's application under uvicorn, with two workers."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.asgi_app:app", "--workers", "2", "--port", str(port)]
    environment = {**os.environ, "SESSION_STORE": redis}
    process = subprocess.Popen([*command, "--log-level", "warning"], env=environment)
    wait_for(port, process)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def test_changes_of_different_fields_at_once_lose_none(server: str) -> None:
    async def run() -> object:
        async with httpx.AsyncClient(base_url=server, timeout=30) as client:
            await client.post("/login/anna")
            kinds = [f"/set/f{number}" if number % 2 else f"/slow/f{number}?seconds=0.1" for number in range(100)]
            responses = await asyncio.gather(*(client.post(kind) for kind in kinds))
            assert {response.status_code for response in responses} == {200}
            return (await client.get("/")).json()

    assert asyncio.run(run()) == {"userid": "anna"} | {f"f{number}": "x" for number in range(100)}


def test_a_client_that_hangs_up_leaves_a_session_that_works(server: str) -> None:
    with httpx.Client(base_url=server) as client:
        client.post("/login/anna")
        with client.stream("POST", "/stream?endless=true") as response:
            assert response.status_code == 200
        assert client.get("/").json() == {"userid": "anna", "streamed": True}
