"""The door for ASGI (Starlette, FastAPI, Litestar, Quart): `SessionMiddleware(app)`, and `request.session` is shared.

What a request changed is stored when its response starts, whatever the status, before anything of it is sent. If that
fails, the response is replaced by that of the failure. An application that raises or ends without a response stores
nothing.

A websocket can read the session as it was when it connected, and stores nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from shared_session import Session, SessionFailure, SessionManager, is_https, is_safe

__all__ = ["SessionMiddleware", "session_of"]

# each framework has types of its own for these
Scope = Any
Message = Any
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_logger = logging.getLogger("shared_session")


def session_of(request: Any) -> Session:
    """Return the session of a request or websocket. Type checkers then know its `sign_in` and `end`."""
    session: Session = request.scope["session"]
    return session


class SessionMiddleware:
    """Lets an ASGI application share its sessions, with the settings in the environment unless it gets a manager.

    `extend_idle_timeout` says whether requests extend the idle timeout of their session, all of them or each one by its
    scope: a page that polls from an open tab should not.
    """

    def __init__(
        self,
        app: App,
        manager: SessionManager | None = None,
        *,
        extend_idle_timeout: bool | Callable[[Scope], bool] = True,
    ) -> None:
        self.app = app
        self.manager = manager or SessionManager.from_env()
        self._extends = extend_idle_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if isinstance(scope.get("session"), Session):
            _logger.error("two session middlewares wrap one request, and the inner one does nothing")
            await self.app(scope, receive, send)
            return
        try:
            session = await self._load(scope)
        except SessionFailure as failure:
            await _refuse(failure, scope, receive, send)
            return
        scope["session"] = session
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            if session.modified:
                _logger.error("a websocket changed its session, and the change is lost: change it in a request")
        else:
            response = _Response(session, scope, send)
            try:
                await self.app(scope, receive, response.send)
            except _ReplacedError:
                return
            response.check()

    async def _load(self, scope: Scope) -> Session:
        headers: Headers = scope["headers"]
        exchange = await self.manager.begin(
            _values(headers, b"cookie"),
            safe=is_safe(scope.get("method", "GET")),
            https=is_https(
                _values(headers, b"forwarded"),
                _first(headers, b"x-forwarded-proto"),
                scope.get("scheme") in ("https", "wss"),
            ),
            extends_idle_timeout=self._extends if isinstance(self._extends, bool) else self._extends(scope),
        )
        return Session(exchange, self.manager.principal_field)


class _ReplacedError(OSError):
    """Ends a stream that nobody receives. An `OSError`, as from a server whose client has gone."""


class _Response:
    """Holds the start of a response back until the session is stored."""

    def __init__(self, session: Session, scope: Scope, send: Send) -> None:
        self._session = session
        self._scope = scope
        self._send = send
        self._stored: object = None
        self._is_replaced = False

    async def send(self, message: Message) -> None:
        if self._is_replaced:
            if message.get("more_body"):
                raise _ReplacedError("the response was replaced, because its session could not be stored")
            return
        if message["type"] != "http.response.start" or self._stored is not None:
            await self._send(message)
            return
        self._take()
        stored = self._session.state()
        call = self._session.finish(_first(self._scope["headers"], b"user-agent"))
        self._stored = stored
        try:
            outcome = await call
        except SessionFailure as failure:
            self._is_replaced = True
            await _respond(failure, self._scope, self._send)
            return
        headers: Headers = list(message.get("headers", ()))
        for name, value in outcome.headers(_texts(headers, b"vary"), _texts(headers, b"cache-control")):
            if name != "set-cookie":
                headers = [header for header in headers if header[0].lower() != name.encode()]
            headers.append((name.encode(), value.encode()))
        await self._send({**message, "headers": headers})

    def _take(self) -> None:
        """Make the changes of an application that replaced the session in the scope, as Litestar's methods do."""
        session, value = self._session, self._scope.get("session")
        if value is session:
            return
        if isinstance(value, dict):
            for name in session.keys() - value.keys():
                del session[name]
            session.update(value)
        else:
            session.end()

    def check(self) -> None:
        """Log that the session was changed after it was stored."""
        if self._stored is not None and self._session.state() != self._stored:
            _logger.error("the session was changed after the response had started, and the change is lost")


async def _refuse(failure: SessionFailure, scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the failure instead of calling the application."""
    if scope["type"] == "http":
        await _respond(failure, scope, send)
        return
    await receive()
    if "websocket.http.response" in (scope.get("extensions") or ()):
        await _respond(failure, scope, send, "websocket.http.response")
    else:
        failure.response()  # logs and counts it
        await send(
            {"type": "websocket.close", "code": 1013 if failure.retry_after else 1011, "reason": failure.message}
        )


async def _respond(failure: SessionFailure, scope: Scope, send: Send, kind: str = "http.response") -> None:
    status, headers, text = failure.response(_first(scope["headers"], b"accept"))
    body = text.encode()
    fields = [(name.encode(), value.encode()) for name, value in [*headers, ("content-length", str(len(body)))]]
    await send({"type": f"{kind}.start", "status": status, "headers": fields})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else body})


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key.lower() == name]


def _first(headers: Headers, name: bytes) -> bytes | None:
    return next(iter(_values(headers, name)), None)


def _texts(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for value in _values(headers, name)]
