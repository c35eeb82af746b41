"""`sign_in`, and users who stay signed in, through every door."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask, session
from shared_session import ConfigurationError, Session, SessionManager
from shared_session.asgi import SessionMiddleware, session_of
from shared_session.flask import SharedSession
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from .conftest import begin, cookie_of, create
from .test_django import configured, hook
from .test_session import record

DAY = 24 * 60 * 60


@dataclass
class Door:
    """An application, and another program's manager of the same sessions."""

    redis: str
    prefix: str
    manager: SessionManager
    post: Callable[[str], str]
    """Sends a request that does this, and returns the cookie that its response sets."""


def act(session: Any, what: str) -> None:
    """Do what a view does. `session` is that of the framework."""
    match what:
        case "sign in":
            session.sign_in("anna")
        case "remember":
            session.sign_in("anna", remember=True)
        case "by hand":
            renew(session)
            session["userid"] = "anna"
        case "renew":
            renew(session)
        case "log out":
            session.flush() if hasattr(session, "flush") else session.end()
        case "log out and remember":
            session.flush() if hasattr(session, "flush") else session.clear()
            session.sign_in("anna", remember=True)


def renew(session: Any) -> None:
    session.cycle_key() if hasattr(session, "cycle_key") else session.renew()


def flask_door(manager: SessionManager) -> Callable[[str], str]:
    app = Flask(__name__)
    SharedSession(app, manager)

    @app.post("/<what>")
    def view(what: str) -> str:
        act(session, what)
        return "done"

    client = app.test_client()
    return lambda what: client.post(f"/{what}").headers["set-cookie"]


def asgi_door(manager: SessionManager) -> Callable[[str], str]:
    async def view(request: Request) -> Response:
        act(session_of(request), request.path_params["what"])
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/{what}", view, methods=["POST"])])
    app.add_middleware(SessionMiddleware, manager=manager)
    client = TestClient(app)
    return lambda what: client.post(f"/{what}").headers["set-cookie"]


def django_door(_: SessionManager) -> Callable[[str], str]:
    from django.test import Client

    client = Client()

    def post(what: str) -> str:
        hook(lambda request: act(request.session, what))
        header: str = client.post("/hook").cookies["sid"].OutputString()
        return header

    return post


@pytest.fixture(params=[flask_door, asgi_door, django_door], ids=["flask", "asgi", "django"])
def door(request: pytest.FixtureRequest, redis: str, database: object) -> Iterator[Door]:
    prefix = f"remember-{request.param.__name__}:"
    with configured(store=redis, key_prefix=prefix) as manager:
        yield Door(redis, prefix, manager, request.param(manager))


def pair(cookie: str) -> bytes:
    return cookie.split(";")[0].encode()


def assert_remembered(expected: bool, door: Door, cookie: str) -> None:
    """Assert that the only session is, or is not, one of a user who stays signed in."""
    key, text = record(door.redis, door.prefix)
    assert json.loads(text)["_session"].get("remembered", False) is expected
    left = int(subprocess.check_output(["redis-cli", "-u", door.redis, "ttl", key]))
    assert (left > DAY) is expected
    age = re.search(r"; Max-Age=(\d+)", cookie)
    # the rest of the lifetime
    assert age is None if not expected else age is not None and 89 * DAY < int(age[1]) <= 90 * DAY
    session = begin(door.manager, pair(cookie))
    assert (session.user, session.remembered) == ("anna", expected)
    page = door.manager.list_sessions("anna", session)
    assert [(info.remembered, info.current) for info in page.sessions] == [(expected, True)]


def test_who_asks_for_it_stays_signed_in_until_the_next_sign_in_or_the_log_out(door: Door) -> None:
    assert_remembered(True, door, first := door.post("remember"))
    assert_remembered(True, door, second := door.post("renew"))
    assert pair(first) != pair(second)
    assert_remembered(False, door, door.post("sign in"))
    assert_remembered(True, door, door.post("remember"))
    assert_remembered(False, door, door.post("by hand"))
    assert_remembered(True, door, last := door.post("log out and remember"))
    assert "Max-Age=0" in door.post("log out").title()
    ended = begin(door.manager, pair(last))
    assert (ended, ended.user, ended.remembered) == ({}, None, False)


def test_a_sign_in_without_the_box_changes_nothing_but_the_id_and_the_user(door: Door) -> None:
    cookie = door.post("sign in")
    assert re.fullmatch(rb"sid=\w{48}", pair(cookie))
    assert "max-age" not in cookie.lower()
    assert "remembered" not in record(door.redis, door.prefix)[1]
    door.post("log out")


def test_a_sign_in_keeps_the_fields_under_a_new_id(manager: SessionManager) -> None:
    old = create(manager, cart=["tea"])
    session = begin(manager, old)
    session.sign_in("anna")
    new = cookie_of(session.finish().wait())
    assert begin(manager, old) == {}
    assert begin(manager, new) == {"cart": ["tea"], "userid": "anna"}


def test_the_last_word_of_a_request_counts(manager: SessionManager) -> None:
    def remembers(*steps: Callable[[Session], None]) -> bool:
        session = begin(manager)
        for step in steps:
            step(session)
        return begin(manager, cookie_of(session.finish().wait())).remembered

    def by_hand(session: Session) -> None:
        session["userid"] = "bert"

    assert remembers(lambda session: session.sign_in("anna", remember=True))
    assert not remembers(
        lambda session: session.sign_in("anna", remember=True), lambda session: session.sign_in("bert")
    )
    assert not remembers(lambda session: session.sign_in("anna", remember=True), Session.end, by_hand)
    assert remembers(Session.end, lambda session: session.sign_in("anna", remember=True))


def test_django_signs_in_in_an_event_loop(redis: str, database: object) -> None:
    from shared_session.django import SessionStore

    with configured(store=redis) as manager:
        session = begin(manager)
        store = SessionStore(shared=session)
        asyncio.run(store.asign_in("anna", remember=True))
        cookie = cookie_of(session.finish().wait())
        store = SessionStore(shared=begin(manager, cookie))
        assert (store.user, store.remembered) == ("anna", True)


@pytest.mark.parametrize("user", ["", 2**53, -(2**64), 1.5, 7.0, True, None, b"anna", ["anna"]])
def test_an_invalid_user_is_an_error_that_says_what_is_allowed(manager: SessionManager, user: Any) -> None:
    cookie = create(manager, a=1)
    session = begin(manager, cookie)
    with pytest.raises(ValueError, match=r'"userid".*a text that is not empty, or by an integer of at most 53 bits'):
        session.sign_in(user, remember=True)
    assert not session.modified
    session.finish().wait()
    assert begin(manager, cookie) == {"a": 1}


@pytest.mark.parametrize(("user", "name"), [("Änna \"'", "Änna \"'"), (2**53 - 1, "9007199254740991"), (-7, "-7")])
def test_a_user_is_a_text_or_an_integer(manager: SessionManager, user: str | int, name: str) -> None:
    session = begin(manager)
    session.sign_in(user)
    signed_in = begin(manager, cookie_of(session.finish().wait()))
    assert (signed_in["userid"], signed_in.user) == (user, name)


def test_nobody_signs_in_to_a_request_that_is_finished(manager: SessionManager) -> None:
    session = begin(manager)
    session.finish().wait()
    with pytest.raises(RuntimeError, match="finished"):
        session.sign_in("anna")


def test_settings_say_how_long_a_user_stays_signed_in_and_which_field_names_the_user(redis: str) -> None:
    manager = SessionManager(
        store=redis, key_prefix="remember-own:", remember_ttl="2d", remember_lifetime="3d", principal_field="who"
    )
    session = begin(manager)
    session.sign_in("anna", remember=True)
    cookie = dict(session.finish().wait().headers([], []))["set-cookie"]
    assert cookie.endswith(f"; Max-Age={3 * DAY}")
    key, text = record(redis, "remember-own:")
    assert json.loads(text)["who"] == "anna"
    assert DAY < int(subprocess.check_output(["redis-cli", "-u", redis, "ttl", key])) <= 2 * DAY
    for setting in ["remember_ttl", "remember_lifetime"]:
        with pytest.raises(ConfigurationError, match=f"SESSION_{setting.upper()}"):
            SessionManager(**{setting: "long"})
