"""The manager: the settings, the way into a session for doors, and the registry of a user's sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from shared_session import _engine

if TYPE_CHECKING:
    from shared_session._engine import Call, Exchange
    from shared_session._session import Session

_Page = tuple[list[tuple[str, "float | None", float, "str | None", bool, bool]], "int | None"]


@dataclass(frozen=True)
class SessionInfo:
    """What a user may see of one of their sessions. It holds no id."""

    handle: str
    """Names the session, to revoke it."""
    created: datetime | None
    last_used: datetime
    device: str | None
    """The `User-Agent` of the request that signed in or last renewed the session. Escape it in HTML."""
    remembered: bool
    """Whether the user stays signed in."""
    current: bool
    """Whether it is the session of the request that asks."""


@dataclass(frozen=True)
class SessionPage:
    """A page of a user's sessions: the longest-lasting first, and of two of one kind the newer first."""

    sessions: list[SessionInfo]
    next: int | None
    """The offset of the next page, or `None` if this is the last one."""


@dataclass(frozen=True)
class Metric:
    """What this process measured under one name and set of labels."""

    name: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    labels: dict[str, str]
    value: float
    """The last value of a gauge, or the sum of all others."""
    count: int
    """How many values there were."""


class SessionManager:
    """The sessions of an application.

    Keyword arguments are named as the variables, without `SESSION_`: `SessionManager(store="redis://host", ttl="30m")`.
    It connects when it is used first, in each process, so it can be built before a server forks.

    The methods that wait for the store have a twin for asyncio that begins with `a`. They raise `SessionFailure`.
    """

    def __init__(self, **settings: str | int) -> None:
        self._manager = _engine.Manager(_variables(settings), from_env=False)

    @classmethod
    def from_env(cls, **settings: str | int) -> SessionManager:
        """Create the manager that the variables `SESSION_*` describe. Keyword arguments take precedence."""
        manager = cls.__new__(cls)
        manager._manager = _engine.Manager(_variables(settings), from_env=True)
        return manager

    @property
    def principal_field(self) -> str:
        """The name of the field that holds the user's id."""
        return self._manager.principal_field

    @property
    def is_memory(self) -> bool:
        """Whether the sessions are those of this process alone."""
        return self._manager.is_memory

    def begin(
        self, cookies: list[bytes], *, safe: bool, https: bool, extends_idle_timeout: bool = True
    ) -> Call[Exchange]:
        """Load the session of a request with these `Cookie` headers: `.wait()` or `await` the result. For doors."""
        return self._manager.begin(cookies, safe=safe, https=https, extends_idle_timeout=extends_idle_timeout)

    def list_sessions(
        self, user: str, current: Session | None = None, *, offset: int = 0, limit: int = 100
    ) -> SessionPage:
        """Return at most `limit` sessions of a user, in the order of `SessionPage`."""
        return _page(self._manager.list(user, _exchange(current), offset, limit).wait())

    async def alist_sessions(
        self, user: str, current: Session | None = None, *, offset: int = 0, limit: int = 100
    ) -> SessionPage:
        """Return at most `limit` sessions of a user, in the order of `SessionPage`."""
        return _page(await self._manager.list(user, _exchange(current), offset, limit))

    def revoke(self, user: str, handle: str) -> bool:
        """End the user's session with this handle. Return whether there was one."""
        return self._manager.revoke(user, handle).wait()

    async def arevoke(self, user: str, handle: str) -> bool:
        """End the user's session with this handle. Return whether there was one."""
        return await self._manager.revoke(user, handle)

    def revoke_others(self, user: str, current: Session) -> int:
        """End all sessions of a user but the current one. Return how many there were."""
        return self._manager.revoke_others(user, _exchange(current)).wait()

    async def arevoke_others(self, user: str, current: Session) -> int:
        """End all sessions of a user but the current one. Return how many there were."""
        return await self._manager.revoke_others(user, _exchange(current))

    def revoke_all(self, user: str) -> int:
        """End all sessions of a user. Return how many there were."""
        return self._manager.revoke_all(user).wait()

    async def arevoke_all(self, user: str) -> int:
        """End all sessions of a user. Return how many there were."""
        return await self._manager.revoke_all(user)

    def ready(self) -> None:
        """Check that the store replies, for a readiness probe."""
        self._manager.ready().wait()

    async def aready(self) -> None:
        """Check that the store replies, for a readiness probe."""
        await self._manager.ready()


def drain(seconds: float = 5) -> None:
    """Wait until everything that this process began to store is stored. It is called when the interpreter exits."""
    _engine.drain(seconds)


def metrics() -> list[Metric]:
    """Return what this process measured since its first use of a session."""
    return [Metric(*metric) for metric in _engine.metrics()]


def _variables(settings: dict[str, str | int]) -> list[tuple[str, str]]:
    return [(f"SESSION_{name.upper()}", str(value)) for name, value in settings.items()]


def _exchange(session: Session | None) -> Exchange | None:
    return None if session is None else session.exchange


def _page(page: _Page) -> SessionPage:
    rows, following = page
    sessions = [
        SessionInfo(handle, None if created is None else _time(created), _time(last_used), device, remembered, current)
        for handle, created, last_used, device, remembered, current in rows
    ]
    return SessionPage(sessions, following)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
