"""The engine, from threads and from event loops."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from shared_session import (
    ConfigurationError,
    Session,
    SessionFailure,
    SessionManager,
    SessionSuperseded,
    StoreUnavailable,
    drain,
    metrics,
)

from .conftest import begin, cookie_of, create
from .stores import free_port


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"ttl": "soon"}, "SESSION_TTL"),
        ({"store": "redis://:secret@host:port"}, "SESSION_STORE"),
        ({"store_password_file": "/missing", "store": "redis://host"}, "SESSION_STORE_PASSWORD_FILE"),
        ({"store_ca_file": "/missing", "store": "redis://host"}, "SESSION_STORE_CA_FILE"),
        ({"cookie_name": ""}, "SESSION_COOKIE_NAME"),
    ],
)
def test_an_invalid_setting_is_named(settings: dict[str, str], variable: str) -> None:
    with pytest.raises(ConfigurationError, match=variable) as caught:
        SessionManager(**settings)
    assert "secret" not in str(caught.value)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="SESSION_STOREE"):
        SessionManager(storee="memory:")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_PRINCIPAL_FIELD", "who")
    monkeypatch.setenv("SESSION_COOKIE_NAME", "ours")
    manager = SessionManager.from_env(cookie_path="/app")
    assert manager.principal_field == "who"
    assert create(manager, who="anna").startswith(b"ours=")
    assert SessionManager().principal_field == "userid"
    monkeypatch.setenv("SESSION_TTL", "never")
    with pytest.raises(ConfigurationError, match="SESSION_TTL"):
        SessionManager.from_env()


def test_threads_lose_no_change(manager: SessionManager) -> None:
    cookie = create(manager, a=1)

    def change(number: int) -> None:
        session = begin(manager, cookie)
        session[str(number)] = number
        session.finish().wait()

    threads = [threading.Thread(target=change, args=[number]) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begin(manager, cookie) == {"a": 1} | {str(number): number for number in range(50)}


def test_tasks_lose_no_change(manager: SessionManager) -> None:
    cookie = create(manager, a=1)

    async def change(number: int) -> None:
        exchange = await manager.begin([cookie], safe=False, https=False)
        session = Session(exchange, manager.principal_field)
        session[str(number)] = number
        (await session.finish()).headers([], [])

    async def main() -> None:
        await asyncio.gather(*(change(number) for number in range(100)))

    for _ in range(2):  # each in a loop of its own
        asyncio.run(main())
    assert len(begin(manager, cookie)) == 101


def test_a_task_that_is_cancelled_stores_its_change_and_leaves_others_alone(redis: str) -> None:
    manager = SessionManager(store=redis)
    cookie = create(manager, a=1)

    async def main() -> None:
        session = begin(manager, cookie)
        session["b"] = 1

        async def finish() -> None:
            await session.finish()

        task = asyncio.create_task(finish())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await manager.aready()

    asyncio.run(main())
    drain()
    assert begin(manager, cookie) == {"a": 1, "b": 1}


def test_a_renewal_whose_id_reaches_no_browser_is_undone(redis: str) -> None:
    manager = SessionManager(store=redis)
    cookie = create(manager, a=1)
    session = begin(manager, cookie)
    session.renew()
    session["b"] = 1
    outcome = session.finish().wait()
    assert begin(manager, cookie) == {}
    del outcome
    drain()
    assert begin(manager, cookie)["a"] == 1


def test_a_renewed_session_has_another_cookie(manager: SessionManager) -> None:
    old = create(manager, a=1)
    session, late = begin(manager, old), begin(manager, old)
    session.renew()
    session[manager.principal_field] = "anna"
    new = cookie_of(session.finish().wait())
    assert begin(manager, old) == {}
    assert begin(manager, new).user == "anna"
    late["b"] = 1
    late.finish().wait()
    assert begin(manager, new)["b"] == 1
    late = begin(manager, old)
    late["b"] = 2
    with pytest.raises(SessionSuperseded):
        late.finish().wait()


def test_a_user_who_signs_in_again_is_known_to_the_engine(manager: SessionManager) -> None:
    cookie = create(manager, userid="anna", other=1)
    session = begin(manager, cookie)
    session.renew()
    session["userid"] = "anna"
    assert session._changed() == {"userid": '"anna"'}
    del session["other"]
    new = cookie_of(session.finish().wait())
    assert begin(manager, new) == {"userid": "anna"}


def test_the_registry_lists_and_revokes(manager: SessionManager) -> None:
    manager.revoke_all("zoe")
    cookies = [create(manager, userid="zoe", number=number) for number in range(3)]
    current = begin(manager, cookies[0])
    page = manager.list_sessions("zoe", current, limit=2)
    rest = asyncio.run(manager.alist_sessions("zoe", current, offset=page.next or 0))
    sessions = page.sessions + rest.sessions
    assert [session.device for session in sessions] == ["a device"] * 3
    assert [session.handle for session in sessions if session.current] == [current.handle]
    other = next(session.handle for session in sessions if not session.current)
    assert manager.revoke("zoe", other)
    assert not asyncio.run(manager.arevoke("zoe", other))
    assert not manager.revoke("zoe", "no handle")
    assert manager.revoke_others("zoe", current) == 1
    assert begin(manager, cookies[0])["number"] == 0
    assert asyncio.run(manager.arevoke_all("zoe")) == 1
    assert begin(manager, cookies[0]) == {}
    assert manager.list_sessions("zoe").sessions == []


LOGS_A_FAILURE = """
import logging
from shared_session import SessionFailure, SessionManager
from tests.conftest import begin, create
logging.basicConfig(level=logging.INFO)
try:
    begin(SessionManager(store="redis://127.0.0.1:{port}"), create(SessionManager(), a=1))
except SessionFailure as failure:
    failure.response(b"")
"""


def test_a_failure_is_logged() -> None:
    # in a process of its own, because a process logs one failure a minute
    program = LOGS_A_FAILURE.format(port=free_port())
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=60, check=True
    )
    assert "ERROR:shared_session" in done.stderr
    assert "failed to load session" in done.stderr


def test_a_store_that_is_away_is_a_failure_with_a_response() -> None:
    manager = SessionManager(store=f"redis://127.0.0.1:{free_port()}", store_timeout="500ms")
    assert begin(manager) == {}
    with pytest.raises(StoreUnavailable) as caught:
        begin(manager, create(SessionManager(), a=1))
    failure = caught.value
    assert (failure.status, failure.code, failure.retry_after) == (503, "store_unavailable", "1")
    status, headers, body = failure.response(b"application/json")
    assert status == 503
    assert ("retry-after", "1") in headers
    assert failure.message in body
    assert "<h1>" in failure.response(b"text/html")[2]
    refused = [metric for metric in metrics() if metric.name == "session.requests.refused" and metric.value >= 2]
    assert {"http.response.status_code": "503"} in [metric.labels for metric in refused]

    async def main() -> None:
        with pytest.raises(SessionFailure):
            await manager.aready()

    asyncio.run(main())


def test_a_call_begins_once(manager: SessionManager) -> None:
    call = manager.begin([], safe=True, https=False)
    exchange = call.wait()
    with pytest.raises(RuntimeError):
        call.wait()
    exchange.finish("keep", {}).wait()
    with pytest.raises(RuntimeError):
        exchange.finish("keep", {})
