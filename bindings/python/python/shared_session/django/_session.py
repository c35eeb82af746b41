"""What `request.session` is in Django: its interface, over the session that all doors share."""

from __future__ import annotations

from functools import cache
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from shared_session import Session, SessionManager

if TYPE_CHECKING:
    from datetime import datetime, timedelta


@cache
def manager() -> SessionManager:
    """Return the manager that `SHARED_SESSION` in the settings and the environment describe."""
    return SessionManager.from_env(**getattr(settings, "SHARED_SESSION", {}))


class SessionStore(SessionBase):
    """The session of a request, or without a request, the session with this id: that of a test's client, say.

    In a request, everything is stored with the response, so that `save` has nothing to do, and `session_key` is the
    public name of the session instead of its id. Without a request, `save` and `flush` store at once, and
    `SESSION_COOKIE_NAME` must be the name of the shared cookie.
    """

    _session_cache: Session

    def __init__(self, session_key: str | None = None, shared: Session | None = None) -> None:
        self._has_request = shared is not None
        if shared is not None:
            self._session_cache = shared
            session_key = shared.handle
        super().__init__(session_key)

    def _get_session(self, no_load: bool = False) -> Session:
        self.accessed = True
        if not hasattr(self, "_session_cache"):
            self._session_cache = self.load()
        return self._session_cache

    async def _aget_session(self, no_load: bool = False) -> Session:
        return self._get_session()

    @property
    def _session(self) -> Session:
        return self._get_session()

    @property
    def shared(self) -> Session:
        """The session that all doors share, for the registry in `manager()`."""
        return self._get_session()

    @property
    def user(self) -> str | None:
        """The id of the user who was signed in when the request came: the principal field, which all services share."""
        return self._get_session().user

    @property
    def remembered(self) -> bool:
        """Whether the user who was signed in when the request came stays signed in."""
        return self._get_session().remembered

    @property
    def modified(self) -> bool:
        """Whether the request changed the session. Setting it has no effect, because every change is noticed."""
        return self._get_session().modified

    @modified.setter
    def modified(self, _value: bool) -> None:
        pass

    def clear(self) -> None:
        """Remove all fields."""
        session = self._get_session()
        for name in list(session):
            del session[name]

    def flush(self) -> None:
        """End the session."""
        self._get_session().end()
        self.save()
        self._session_key = None

    async def aflush(self) -> None:
        """End the session."""
        self.flush()

    def sign_in(self, user: str | int, remember: bool = False) -> None:
        """Sign a user in at all services, beside Django's `login()`: see `Session.sign_in`."""
        self._get_session().sign_in(user, remember)

    async def asign_in(self, user: str | int, remember: bool = False) -> None:
        """Sign a user in at all services, beside Django's `alogin()`."""
        self.sign_in(user, remember)

    def cycle_key(self) -> None:
        """Give the session a new id."""
        self._get_session().renew()

    async def acycle_key(self) -> None:
        """Give the session a new id."""
        self.cycle_key()

    def set_expiry(self, value: datetime | timedelta | int | None) -> None:
        """Have no effect: the settings say how long a session lasts, and `sign_in` whether the user stays signed in."""

    async def aset_expiry(self, value: datetime | timedelta | int | None) -> None:
        """Have no effect: the settings say how long a session lasts, and `sign_in` whether the user stays signed in."""

    def load(self) -> Session:
        """Load the session with this id."""
        cookies = [] if self.session_key is None else [f"{settings.SESSION_COOKIE_NAME}={self.session_key}".encode()]
        exchange = manager().begin(cookies, safe=False, https=True).wait()
        return Session(exchange, manager().principal_field)

    def save(self, must_create: bool = False) -> None:
        """Store the session, if there is no request whose response stores it."""
        if self._has_request:
            return
        for name, value in self._get_session().finish().wait().headers([], []):
            if name == "set-cookie":
                self._session_key = next(iter(SimpleCookie(value).values())).value
        del self._session_cache

    def create(self) -> None:
        """Do as `save`: ids are the store's, and a session without fields has none."""
        self.save()

    def delete(self, session_key: str | None = None) -> None:
        """End the session. To end another one, revoke it: see `SessionManager`."""
        if session_key not in (None, self.session_key):
            raise ValueError("only the registry ends other sessions: see SessionManager.revoke")
        self.flush()

    @classmethod
    def clear_expired(cls) -> None:
        """Have nothing to do: expired sessions delete themselves."""
