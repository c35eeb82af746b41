"""The door for Flask."""

from __future__ import annotations

import json
import subprocess

import pytest
from flask import Flask, Response, flash, get_flashed_messages, session
from flask.testing import FlaskClient
from shared_session import SessionEnded, SessionFailure, SessionManager
from shared_session.flask import FlaskSession, SharedSession
from werkzeug.test import TestResponse

from .conftest import begin, create
from .stores import free_port


def tutorial(manager: SessionManager) -> Flask:
    """Return an application in the style of Flask's tutorial, with one line more."""
    app = Flask(__name__)
    SharedSession(app, manager)

    @app.post("/login")
    def login() -> str:
        session.clear()
        session["user_id"] = 7
        session.permanent = True
        flash("Welcome", "info")
        return "signed in"

    @app.get("/")
    def index() -> dict[str, object]:
        return {"user": session.get("user_id"), "messages": get_flashed_messages(with_categories=True)}

    @app.post("/logout")
    def logout() -> str:
        session.clear()
        return "signed out"

    return app


def sid(client: FlaskClient) -> bytes:
    cookie = client.get_cookie("sid")
    assert cookie
    return f"sid={cookie.value}".encode()


def test_an_application_of_the_tutorial_works(manager: SessionManager) -> None:
    client = tutorial(manager).test_client()
    response = client.get("/")
    assert "set-cookie" not in response.headers
    assert response.headers["vary"] == "Cookie"
    response = client.post("/login")
    assert response.headers["cache-control"] == "no-store"
    first = sid(client)
    assert client.get("/").json == {"user": 7, "messages": [["info", "Welcome"]]}
    assert client.get("/").json == {"user": 7, "messages": []}
    client.post("/login")
    second = sid(client)
    assert first != second
    assert begin(manager, first) == {}
    assert "Max-Age=0" in client.post("/logout").headers["set-cookie"]
    assert begin(manager, second) == {}
    assert client.get("/").json == {"user": None, "messages": []}


def test_tests_can_open_the_session(manager: SessionManager) -> None:
    client = tutorial(manager).test_client()
    with client.session_transaction() as opened:
        opened["user_id"] = 8
    assert client.get("/").json == {"user": 8, "messages": []}


def test_https_is_what_the_proxy_says(manager: SessionManager) -> None:
    client = tutorial(manager).test_client()
    assert "Secure" not in client.post("/login").headers["set-cookie"]
    assert "Secure" in client.post("/login", headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]
    headers = {"Forwarded": "proto=http", "X-Forwarded-Proto": "https"}
    assert "Secure" not in client.post("/login", headers=headers).headers["set-cookie"]


def test_the_session_knows_its_user_and_its_device() -> None:
    manager = SessionManager(principal_field="user_id")
    app = tutorial(manager)

    @app.get("/who")
    def who() -> dict[str, object]:
        assert isinstance(session, FlaskSession)
        devices = [info.device for info in manager.list_sessions("7", session).sessions if info.current]
        return {"user": session.user, "new": session.new, "devices": devices}

    client = app.test_client()
    assert client.get("/who").json == {"user": None, "new": True, "devices": []}
    client.post("/login", headers={"User-Agent": "Browser/1"})
    assert client.get("/who").json == {"user": "7", "new": False, "devices": ["Browser/1"]}


class Down:
    """An application whose store is away."""

    def __init__(self) -> None:
        self.manager = SessionManager(store=f"redis://127.0.0.1:{free_port()}", store_timeout="500ms")
        self.called: list[str] = []
        self.app = tutorial(self.manager)

        @self.app.before_request
        def before() -> None:
            self.called.append("before")

        @self.app.get("/view")
        def view() -> str:
            self.called.append("view")
            return "view"

        @self.app.after_request
        def after(response: Response) -> Response:
            session.get("user_id")
            response.headers["after"] = "yes"
            return response

    def client(self) -> FlaskClient:
        client = self.app.test_client()
        client.set_cookie("sid", create(SessionManager(), a=1).removeprefix(b"sid=").decode())
        return client


def assert_unavailable(response: TestResponse) -> None:
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["vary"] == "Cookie"
    assert "set-cookie" not in response.headers
    assert "You were not signed out" in response.text


def test_without_a_session_the_view_is_not_called() -> None:
    down = Down()
    response = down.client().get("/view")
    assert_unavailable(response)
    assert response.content_type == "text/html; charset=utf-8"
    assert (down.called, response.headers["after"]) == ([], "yes")
    response = down.client().get("/missing", headers={"Accept": "application/json"})
    assert_unavailable(response)
    assert response.content_type == "application/problem+json"
    assert json.loads(response.text)["code"] == "store_unavailable"
    assert down.app.test_client().get("/view").text == "view"


def test_a_change_that_cannot_be_stored_replaces_the_response() -> None:
    assert_unavailable(Down().app.test_client().post("/login"))


def test_a_change_after_the_log_out_replaces_the_response(manager: SessionManager) -> None:
    app = tutorial(manager)
    closed: list[bool] = []

    class Body:
        def __iter__(self) -> Body:
            return self

        def __next__(self) -> bytes:
            return b"secret"

        def close(self) -> None:
            closed.append(True)

    @app.post("/change")
    def change() -> Response:
        ended = begin(manager, sid(client))
        ended.end()
        ended.finish().wait()
        session["a"] = 1
        return Response(Body(), headers={"X-Secret": "1", "Set-Cookie": "other=1"})

    client = app.test_client()
    client.post("/login")
    response = client.post("/change")
    assert response.status_code == 409
    assert "Your session ended" in response.text
    assert "x-secret" not in response.headers
    assert "set-cookie" not in response.headers
    response.close()
    assert closed == [True]


def test_an_application_can_have_its_own_page_for_failures() -> None:
    down = Down()

    @down.app.errorhandler(SessionFailure)
    def page(failure: SessionFailure) -> tuple[str, int]:
        return f"our page: {failure.message}", failure.status

    for response in [down.client().get("/view"), down.app.test_client().post("/login")]:
        assert response.status_code == 503
        assert response.text.startswith("our page: Your session is unavailable")


def test_a_failure_in_a_view_is_a_response(manager: SessionManager) -> None:
    app = tutorial(manager)

    @app.get("/fail")
    def fail() -> str:
        ended = begin(manager, sid(client))
        begin_again = begin(manager, sid(client))
        ended.end()
        ended.finish().wait()
        begin_again["a"] = 1
        with pytest.raises(SessionEnded):
            begin_again.finish().wait()
        down = SessionManager(store=f"redis://127.0.0.1:{free_port()}", store_timeout="500ms")
        down.revoke_all("anna")
        return "revoked"

    client = app.test_client()
    client.post("/login")
    assert_unavailable(client.get("/fail"))


def test_a_view_that_fails_stores_what_it_changed(manager: SessionManager) -> None:
    app = tutorial(manager)

    @app.post("/fail")
    def fail() -> str:
        session["tried"] = True
        raise ValueError

    client = app.test_client()
    assert client.post("/fail").status_code == 500
    assert begin(manager, sid(client)) == {"tried": True}


def test_a_value_that_cannot_be_stored_is_an_error_of_the_view(manager: SessionManager) -> None:
    app = tutorial(manager)

    @app.post("/nested")
    def nested() -> str:
        session["a"] = []
        session["a"].append(object())
        return "stored"

    response = app.test_client().post("/nested")
    assert response.status_code == 500
    assert "set-cookie" not in response.headers
    app.testing = True
    with pytest.raises(TypeError, match="session field 'a'"):
        app.test_client().post("/nested")


def test_sessions_in_memory_of_several_processes_are_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    client = tutorial(SessionManager()).test_client()
    client.get("/")
    assert "SESSION_STORE" not in caplog.text
    for _ in range(2):
        client.get("/", environ_overrides={"wsgi.multiprocess": True})
    assert caplog.text.count("SESSION_STORE") == 1


def test_polls_do_not_extend_the_idle_timeout(redis: str) -> None:
    manager = SessionManager(store=redis, key_prefix="polls:")
    app = Flask(__name__)
    SharedSession(app, manager, extend_idle_timeout=lambda request: request.path != "/poll")
    client = app.test_client()
    with client.session_transaction() as opened:
        opened["a"] = 1
    cli = ["redis-cli", "-u", redis, "--raw"]
    key = subprocess.check_output([*cli, "keys", "polls:*"], text=True).strip()
    subprocess.check_output([*cli, "expire", key, "60"])
    client.get("/poll")
    assert int(subprocess.check_output([*cli, "ttl", key])) <= 60
    client.get("/")
    assert int(subprocess.check_output([*cli, "ttl", key])) > 60


def test_a_session_of_flask_session_is_renewed_by_its_interface(manager: SessionManager) -> None:
    app = tutorial(manager)

    @app.post("/renew")
    def renew() -> str:
        app.session_interface.regenerate(session)  # type: ignore[attr-defined]
        return "renewed"

    client = app.test_client()
    client.post("/login")
    old = sid(client)
    client.post("/renew")
    assert sid(client) != old
    assert begin(manager, sid(client))["user_id"] == 7
