"""The door for Django."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.http import HttpResponse
from shared_session import SessionFailure, SessionManager
from shared_session.django import SessionMiddleware

from .conftest import begin, create
from .stores import free_port, wait_for


@pytest.fixture
def sessions(redis: str, database: Path) -> Iterator[SessionManager]:
    """Return another program's manager of the same sessions."""
    with configured(store=redis) as manager:
        yield manager


class configured:  # noqa: N801
    """Gives the application its settings of the session."""

    def __init__(self, **options: str | int) -> None:
        self.options = options

    def __enter__(self) -> SessionManager:
        from django.conf import settings
        from shared_session.django import manager

        settings.SHARED_SESSION = self.options
        manager.cache_clear()
        return SessionManager(**self.options)

    def __exit__(self, *_: object) -> None:
        from shared_session.django import manager

        manager.cache_clear()


@pytest.fixture
def client(sessions: SessionManager) -> Any:
    """Return a client that must send CSRF tokens, as a browser does."""
    from django.test import Client

    return Client(enforce_csrf_checks=True)


def hook(view: Any) -> None:
    from . import django_app

    django_app.hook[:] = [view]


def sid(client: Any) -> bytes:
    return f"sid={client.cookies['sid'].value}".encode()


def with_cookie(cookie: bytes, kind: str = "Client") -> Any:
    from django import test

    client = getattr(test, kind)()
    client.cookies["sid"] = cookie.decode().removeprefix("sid=")
    return client


def token(response: Any) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', response.content.decode())
    assert found
    return found[1]


def log_in(client: Any, **boxes: str) -> None:
    page = client.get("/admin/login/")
    form = {"username": "anna", "password": "pw", "csrfmiddlewaretoken": token(page), "next": "/admin/", **boxes}
    assert client.post("/admin/login/", form).status_code == 302


def test_the_checks_of_django_pass(sessions: SessionManager) -> None:
    from django.core.management import call_command

    call_command("check", fail_level="WARNING")


def test_a_visit_without_state_costs_nothing(client: Any) -> None:
    response = client.get("/")
    assert not response.cookies
    assert response["Vary"] == "Cookie"


def test_the_admin_signs_in_and_out(client: Any, sessions: SessionManager) -> None:
    client.get("/admin/login/")  # stores the CSRF token
    first = sid(client)
    log_in(client)
    second = sid(client)
    assert first != second
    assert begin(sessions, first) == {}
    page = client.get("/admin/")
    assert b"anna" in page.content
    assert begin(sessions, second)["_auth_user_id"] == "1"
    client.post("/admin/logout/", {"csrfmiddlewaretoken": token(page)})
    assert begin(sessions, second) == {}
    assert client.get("/admin/").status_code == 302


def test_a_request_without_the_csrf_token_is_refused(client: Any) -> None:
    client.get("/admin/login/")
    assert client.post("/admin/login/", {"username": "anna", "password": "pw"}).status_code == 403


def test_another_user_gets_a_session_of_their_own(client: Any, sessions: SessionManager) -> None:
    from django.contrib.auth import get_user_model, login

    log_in(client)
    client.post("/set/secret")
    first = sid(client)
    bert = get_user_model().objects.get(username="bert")
    hook(lambda request: login(request, bert))
    client.post("/hook")
    assert begin(sessions, first) == {}
    fields = begin(sessions, sid(client))
    assert fields["_auth_user_id"] == str(bert.pk)
    assert "secret" not in fields


def test_messages_are_shown_once(client: Any) -> None:
    client.get("/greet")
    assert client.get("/greetings").json() == ["Hello"]
    assert client.get("/greetings").json() == []


def test_a_new_password_ends_the_users_other_sessions(client: Any, sessions: SessionManager) -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    other = Client(enforce_csrf_checks=True)
    log_in(client)
    log_in(other)
    before = sid(client)
    form = {"old_password": "pw", "new_password1": "blue-horse-7", "new_password2": "blue-horse-7"}
    form["csrfmiddlewaretoken"] = token(client.get("/admin/"))
    assert client.post("/password/", form).status_code == 302
    assert sid(client) != before
    assert client.get("/whoami").content == b"anna"
    assert other.get("/whoami").content == b""
    assert begin(sessions, sid(other)) == {}
    anna = User.objects.get(username="anna")
    anna.set_password("pw")
    anna.save()


def test_the_interface_is_django_s(client: Any, sessions: SessionManager) -> None:
    def view(request: Any) -> HttpResponse:
        session = request.session
        assert session.is_empty()
        assert not session.modified
        assert session.session_key is None
        session.set_test_cookie()
        session["a"] = [1]
        session.update({"b": 2, "c": 3})
        assert session.pop("c") == 3
        assert session.pop("c", None) is None
        with pytest.raises(KeyError):
            session.pop("c")
        session.set_expiry(timedelta(days=1))
        session.set_expiry(0)
        session.save()
        assert session.modified
        assert "a" in session
        assert session.has_key("b")
        return HttpResponse()

    hook(view)
    client.post("/hook")
    assert begin(sessions, sid(client)) == {"testcookie": "worked", "a": [1], "b": 2}

    def again(request: Any) -> HttpResponse:
        session = request.session
        assert session.test_cookie_worked()
        session.delete_test_cookie()
        session["a"].append(True)
        assert session.session_key == session.shared.handle
        assert session.session_key not in sid(client).decode()
        return HttpResponse()

    hook(again)
    client.post("/hook")
    assert begin(sessions, sid(client)) == {"a": [1, True], "b": 2}

    def clear(request: Any) -> HttpResponse:
        request.session.clear()
        request.session["d"] = 4
        return HttpResponse()

    hook(clear)
    before = sid(client)
    client.post("/hook")
    assert begin(sessions, before) == {"d": 4}


def test_the_client_of_tests_signs_in(sessions: SessionManager) -> None:
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client()
    assert client.login(username="anna", password="pw")
    assert client.get("/whoami").content == b"anna"
    session = client.session
    session["a"] = 1
    session.save()
    assert begin(sessions, sid(client))["a"] == 1
    other = Client()
    session = other.session  # of nobody yet
    session["a"] = 1
    session.save()
    assert session.session_key
    other.cookies["sid"] = session.session_key
    assert other.get("/").json() == {"a": 1}
    before = sid(client)
    client.logout()
    assert begin(sessions, before) == {}
    client.force_login(get_user_model().objects.get(username="bert"))
    assert client.get("/whoami").content == b"bert"


def test_the_client_of_asynchronous_tests_signs_in(sessions: SessionManager) -> None:
    from django.contrib.auth import get_user_model
    from django.test import AsyncClient

    user = get_user_model().objects.get(username="anna")

    async def run() -> None:
        client = AsyncClient()
        await client.aforce_login(user)
        assert (await client.post("/count")).json() == {"n": 1, "user": "anna"}
        before = sid(client)
        await client.alogout()
        assert begin(sessions, before) == {}

    asyncio.run(run())


def test_a_change_of_a_session_that_ended_is_refused(sessions: SessionManager) -> None:
    from django.http import FileResponse

    cookie = create(sessions, a=1)
    file = open(__file__, "rb")  # noqa: SIM115

    def view(request: Any) -> HttpResponse:
        other = begin(sessions, cookie)
        other.end()
        other.finish().wait()
        request.session["a"] = 2
        return FileResponse(file)  # type: ignore[return-value]

    hook(view)
    response = with_cookie(cookie).post("/hook", headers={"accept": "application/json"})
    assert response.status_code == 409
    assert response.json()["status"] == 409
    assert "sid" not in response.cookies
    assert file.closed


def test_a_session_that_is_too_large_is_refused(redis: str, database: Path) -> None:
    from django.test import Client

    def view(request: Any) -> HttpResponse:
        request.session["a"] = "x" * 5000
        return HttpResponse()

    hook(view)
    with configured(store=redis, max_size=4096):
        response = Client().post("/hook")
    assert response.status_code == 413
    assert not response.cookies


def test_a_store_that_is_away_signs_nobody_out(database: Path) -> None:
    from django.test import Client

    cookie = create(SessionManager(store="memory:"), a=1)
    with configured(store=f"redis://127.0.0.1:{free_port()}", store_timeout="200ms"):
        assert Client().get("/").json() == {}
        response = with_cookie(cookie).get("/")
        assert response.status_code == 503
        assert response["Retry-After"] == "1"
        assert not response.cookies
        response = asyncio.run(with_cookie(cookie, "AsyncClient").get("/count"))
        assert response.status_code == 503


def test_an_exception_stores_nothing_and_other_statuses_do(sessions: SessionManager) -> None:
    from django.core.exceptions import PermissionDenied

    cookie = create(sessions, a=1)

    def fail(error: Exception) -> Any:
        def view(request: Any) -> HttpResponse:
            request.session["a"] = 2
            raise error

        return view

    client = with_cookie(cookie)
    client.raise_request_exception = False
    hook(fail(RuntimeError("a bug")))
    assert client.post("/hook").status_code == 500
    assert begin(sessions, cookie) == {"a": 1}
    hook(fail(PermissionDenied()))
    assert client.post("/hook").status_code == 403
    assert begin(sessions, cookie) == {"a": 2}


def test_a_stream_comes_with_the_session(client: Any, sessions: SessionManager) -> None:
    response = client.get("/stream")
    assert b"".join(response.streaming_content) == b"one two"
    assert begin(sessions, sid(client)) == {"streamed": True}


def test_https_is_what_the_proxy_says(client: Any) -> None:
    assert not client.post("/set/a").cookies["sid"]["secure"]
    client.cookies.clear()
    cookie = client.post("/set/a", headers={"x-forwarded-proto": "https"}).cookies["sid"]
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_an_event_loop_is_served_without_a_thread(sessions: SessionManager) -> None:
    from django.test import AsyncClient

    async def run() -> None:
        client = AsyncClient()
        assert (await client.post("/count")).json() == {"n": 1, "user": ""}
        assert (await client.post("/count")).json() == {"n": 2, "user": ""}
        cookie = sid(client)
        assert begin(sessions, cookie) == {"n": 2}
        await client.post("/leave")
        assert begin(sessions, cookie) == {}

    asyncio.run(run())


def test_an_asynchronous_view_waits_for_the_end_of_the_session(sessions: SessionManager) -> None:
    from .django_app import arrived

    async def run() -> None:
        client = with_cookie(create(sessions, userid="dora"), "AsyncClient")
        response = asyncio.ensure_future(client.get("/wait"))
        await asyncio.wait_for(arrived.wait(), 60)
        assert await sessions.arevoke_all("dora") == 1
        assert (await asyncio.wait_for(response, 60)).content == b"ended"

    asyncio.run(run())


def shared_users() -> Any:
    from django.conf import settings
    from django.test import override_settings

    return override_settings(
        MIDDLEWARE=[*settings.MIDDLEWARE, "shared_session.django.auth.PrincipalMiddleware"],
        AUTHENTICATION_BACKENDS=[
            "shared_session.django.auth.PrincipalBackend",
            "django.contrib.auth.backends.ModelBackend",
        ],
    )


def test_who_signed_in_at_another_service_is_a_user_of_django(sessions: SessionManager) -> None:
    cookie = create(sessions, userid="carla")
    with shared_users():
        client = with_cookie(cookie)
        assert client.get("/whoami").content == b"carla"
        response = asyncio.run(with_cookie(cookie, "AsyncClient").post("/count"))
        assert response.json()["user"] == "carla"
        other = begin(sessions, cookie)
        other.end()
        other.finish().wait()
        assert client.get("/whoami").content == b""


def test_a_log_out_at_django_signs_out_everywhere(sessions: SessionManager) -> None:
    from django.contrib.auth import logout

    cookie = create(sessions, userid="carla")
    hook(logout)
    with shared_users():
        with_cookie(cookie).post("/hook")
    assert begin(sessions, cookie) == {}


def test_a_name_of_another_service_opens_no_account_with_a_password(sessions: SessionManager) -> None:
    with shared_users():
        assert with_cookie(create(sessions, userid="anna")).get("/whoami").content == b""


def test_a_sign_in_at_django_can_be_one_everywhere(client: Any, sessions: SessionManager) -> None:
    from django.contrib.auth.signals import user_logged_in

    def share(request: Any, user: Any, **_: object) -> None:
        request.session.sign_in(user.get_username(), remember="remember" in request.POST)

    user_logged_in.connect(share)
    try:
        with shared_users():
            log_in(client)
            assert begin(sessions, sid(client)).user == "anna"
            assert client.get("/whoami").content == b"anna"
            page = sessions.list_sessions("anna", begin(sessions, sid(client)))
            assert [info.remembered for info in page.sessions if info.current] == [False]
            assert not client.cookies["sid"]["max-age"]
            client.post("/admin/logout/", {"csrfmiddlewaretoken": token(client.get("/admin/"))})
            log_in(client, remember="on")
            assert client.cookies["sid"]["max-age"]
            assert begin(sessions, sid(client)).remembered
            assert client.get("/whoami").content == b"anna"
            assert client.get("/admin/").status_code == 200
    finally:
        user_logged_in.disconnect(share)


class NoPolls(SessionMiddleware):
    def extends_idle_timeout(self, request: Any) -> bool:
        return bool(request.path != "/whoami")

    def failed(self, request: Any, failure: SessionFailure) -> Any:
        return HttpResponse("own page", status=failure.status)


def test_polls_do_not_extend_the_idle_timeout(redis: str, database: Path) -> None:
    from django.conf import settings
    from django.test import override_settings

    middleware = [f"{__name__}.NoPolls", *settings.MIDDLEWARE[1:]]
    with override_settings(MIDDLEWARE=middleware), configured(store=redis, key_prefix="django-polls:") as manager:
        client = with_cookie(create(manager, a=1))
        cli = ["redis-cli", "-u", redis, "--raw"]
        key = subprocess.check_output([*cli, "keys", "django-polls:*"], text=True).strip()
        subprocess.check_output([*cli, "expire", key, "60"])
        client.get("/whoami")
        assert int(subprocess.check_output([*cli, "ttl", key])) <= 60
        client.get("/")
        assert int(subprocess.check_output([*cli, "ttl", key])) > 60


def test_an_application_can_answer_failures_itself(database: Path) -> None:
    from django.conf import settings
    from django.test import override_settings

    cookie = create(SessionManager(store="memory:"), a=1)
    middleware = [f"{__name__}.NoPolls", *settings.MIDDLEWARE[1:]]
    store = f"redis://127.0.0.1:{free_port()}"
    with override_settings(MIDDLEWARE=middleware), configured(store=store, store_timeout="200ms"):
        response = with_cookie(cookie).get("/")
    assert response.content == b"own page"
    assert response.status_code == 503


def test_changes_of_different_fields_at_once_lose_none(redis: str, database: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-w", "4", "-b", f"127.0.0.1:{port}", "tests.django_app:application"]
    environment = {**os.environ, "SESSION_STORE": redis, "DATABASE": str(database)}
    process = subprocess.Popen([*command, "--no-control-socket", "--log-level", "warning"], env=environment)
    wait_for(port, process)

    async def run() -> object:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await client.post("/set/first")
            paths = [f"/set/f{number}" for number in range(100)]
            responses = await asyncio.gather(*(client.post(path) for path in paths))
            assert {response.status_code for response in responses} == {200}
            return (await client.get("/")).json()

    try:
        assert asyncio.run(run()) == {"first": "x"} | {f"f{number}": "x" for number in range(100)}
    finally:
        process.terminate()
        process.wait()
