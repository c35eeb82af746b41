"""The door for Flask: `SharedSession(app)`, and `flask.session` is shared.

What a request changed is stored after its view and its `after_request` functions, whatever the status. If that fails,
the response is replaced by that of the `SessionFailure`, for which the application can register its own error handler.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import flask
from flask.sessions import SessionInterface, SessionMixin

from shared_session import Session, SessionFailure, SessionManager, _wsgi

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Request, Response
    from flask.typing import ResponseReturnValue

    from shared_session._engine import Exchange

__all__ = ["FlaskSession", "SharedSession", "session"]


class FlaskSession(Session, SessionMixin):
    """The session that `flask.session` stands for.

    `permanent` has no effect, because the settings say how long a session lasts, and `modified` is always right.
    """

    accessed = True
    is_finished = False

    def __init__(self, exchange: Exchange, principal_field: str, user_agent: bytes | None) -> None:
        super().__init__(exchange, principal_field)
        self.user_agent = user_agent
        self._permanent = False

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether the request came without a session."""
        return self.handle is None

    @property
    def permanent(self) -> bool:
        """Has no effect."""
        return self._permanent

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self._permanent = value


session = cast("FlaskSession", flask.session)
"""`flask.session`, for type checkers: they know its `sign_in` and `end`."""


class _Failed(dict[str, Any], SessionMixin):
    """The session of a request whose session could not be loaded. Its view is not called."""

    is_answered = False

    def __init__(self, failure: SessionFailure) -> None:
        super().__init__()
        self.failure = failure


class SharedSession(SessionInterface):
    """Lets a Flask application share its sessions, with the settings in the environment unless it gets a manager.

    `extend_idle_timeout` says whether requests, or this request, extend the idle timeout of their session: a page that
    polls from an open tab should not.
    """

    def __init__(
        self,
        app: Flask | None = None,
        manager: SessionManager | None = None,
        *,
        extend_idle_timeout: bool | Callable[[Request], bool] = True,
    ) -> None:
        self.manager = manager or SessionManager.from_env()
        self._extends = extend_idle_timeout
        self._warned = False
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give the application its sessions."""
        app.session_interface = self
        app.register_error_handler(SessionFailure, _respond)
        # before those of the application, which may use the session
        app.before_request_funcs.setdefault(None, []).insert(0, _check)

    def regenerate(self, session: SessionMixin) -> None:
        """Give the session a new id, for applications that are used to Flask-Session."""
        if isinstance(session, FlaskSession):
            session.renew()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """Load the session of a request."""
        environ = request.environ
        if environ.get("wsgi.multiprocess") and self.manager.is_memory and not self._warned:
            self._warned = True
            message = "each process has its own sessions in memory: set SESSION_STORE, or serve with one worker"
            logging.getLogger("shared_session").warning(message)
        begun = _wsgi.begin(
            self.manager,
            environ,
            method=request.method,
            is_secure=environ.get("wsgi.url_scheme") == "https",
            extends_idle_timeout=self._extends if isinstance(self._extends, bool) else self._extends(request),
        )
        try:
            return FlaskSession(begun.wait(), self.manager.principal_field, _wsgi.header(environ, "USER_AGENT"))
        except SessionFailure as failure:
            return _Failed(failure)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Store what a request changed in its session."""
        if isinstance(session, _Failed) and not session.is_answered:
            _replace(app, response, session.failure)
        if not isinstance(session, FlaskSession) or session.is_finished:
            return
        session.is_finished = True
        try:
            outcome = session.finish(session.user_agent).wait()
        except SessionFailure as failure:
            _replace(app, response, failure)
            return
        headers = response.headers
        for name, value in outcome.headers(headers.getlist("Vary"), headers.getlist("Cache-Control")):
            if name == "set-cookie":
                headers.add(name, value)
            else:
                headers.set(name, value)


def _check() -> None:
    """Respond with the failure instead of calling the view."""
    failed = flask.session
    if isinstance(failed, _Failed):
        failed.is_answered = True
        raise failed.failure


def _respond(failure: SessionFailure) -> ResponseReturnValue:
    status, headers, body = failure.response(_wsgi.header(flask.request.environ, "ACCEPT"))
    return flask.current_app.response_class(body, status, headers)


def _replace(app: Flask, response: Response, failure: SessionFailure) -> None:
    """Make of a view's response that of a failure."""
    new = app.make_response(app.handle_user_exception(failure))
    close = getattr(response.response, "close", None)
    if close is not None:
        response.call_on_close(close)
    response.status = new.status
    response.headers = new.headers
    response.response = new.response
    response.direct_passthrough = False
