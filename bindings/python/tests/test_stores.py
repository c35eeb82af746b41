"""The session behind a Sentinel, in a cluster and over TLS, also after a fork."""

from __future__ import annotations

import time

import pytest
from shared_session import SessionFailure, SessionManager, StoreUnavailable

from . import stores
from .conftest import begin, cookie_of, create
from .test_forks import run


def change(manager: SessionManager, cookie: bytes, name: str) -> None:
    session = begin(manager, cookie)
    session[name] = 1
    session.finish().wait()


def test_a_session_survives_a_fail_over_and_is_changed_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with stores.sentinel() as sentinel:
        monkeypatch.setenv("SESSION_STORE", sentinel.url)
        manager = SessionManager.from_env()
        cookie = create(manager, a=1)
        run("fork_during_calls", sentinel.url, 4)
        sentinel.kill_primary()
        for _ in range(300):
            try:
                change(manager, cookie, "b")
                break
            except SessionFailure as failure:
                assert failure.status == 503  # noqa: PT017
                time.sleep(0.1)
        assert begin(manager, cookie) == {"a": 1, "b": 1}


def test_sessions_are_spread_over_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    with stores.cluster() as url:
        monkeypatch.setenv("SESSION_STORE", url)
        manager = SessionManager.from_env()
        cookies = [create(manager, userid="anna", number=number) for number in range(10)]
        for cookie in cookies:
            change(manager, cookie, "b")
        assert [begin(manager, cookie)["number"] for cookie in cookies] == list(range(10))
        session = begin(manager, cookies[0])
        session.renew()
        renewed = cookie_of(session.finish().wait())
        run("fork_during_calls", url, 4)
        assert begin(manager, renewed) == {"userid": "anna", "number": 0, "b": 1}
        assert manager.revoke_others("anna", begin(manager, renewed)) == 9


def test_a_server_with_tls_is_used_if_its_ca_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    with stores.tls() as (url, ca):
        monkeypatch.setenv("SESSION_STORE", url)
        with pytest.raises(StoreUnavailable):
            create(SessionManager.from_env(), a=1)
        monkeypatch.setenv("SESSION_STORE_CA_FILE", ca)
        manager = SessionManager.from_env()
        cookie = create(manager, a=1)
        change(manager, cookie, "b")
        run("fork_during_calls", url, 4)
        assert begin(manager, cookie) == {"a": 1, "b": 1}
