"""What the tests share: a Redis, and sessions in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_session import Session, SessionManager
from shared_session._engine import Outcome

from . import stores


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """Return the URL of a Redis."""
    with stores.Server() as server:
        yield f"redis://127.0.0.1:{server.port}"


@pytest.fixture
def private_redis() -> Iterator[stores.Server]:
    """Return a Redis that no other test uses."""
    with stores.Server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def manager(request: pytest.FixtureRequest) -> SessionManager:
    """Return the manager of sessions in each store."""
    url = "memory:" if request.param == "memory" else request.getfixturevalue("redis")
    return SessionManager(store=url)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a database with a superuser, and load Django's application."""
    path = tmp_path_factory.mktemp("django") / "database"
    os.environ["DATABASE"] = str(path)
    from django.core.management import call_command

    from . import django_app

    assert django_app.application
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User

    User.objects.create_superuser("anna", password="pw")
    User.objects.create_superuser("bert", password="pw")
    return path


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
