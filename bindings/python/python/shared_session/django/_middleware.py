"""The middleware: loads the session before the view, and stores what it changed with the response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpResponse

from shared_session import Session, SessionFailure, _wsgi
from shared_session.django._session import SessionStore, manager

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from shared_session._engine import Call, Exchange, Outcome


class SessionMiddleware(DjangoSessionMiddleware):
    """Takes the place of `django.contrib.sessions.middleware.SessionMiddleware`. The admin checks that it is one.

    As there, a response with the status 500 stores nothing. If the session cannot be stored, the response is replaced
    by that of the failure.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        manager()  # an invalid setting stops the server at its start

    def extends_idle_timeout(self, request: HttpRequest) -> bool:
        """Return whether the request extends the idle timeout of its session. Override this for pages that poll."""
        return True

    def failed(self, request: HttpRequest, failure: SessionFailure) -> HttpResponseBase:
        """Return the response to a session that could not be loaded or stored."""
        status, headers, body = failure.response(_wsgi.header(request.META, "ACCEPT"))
        return HttpResponse(body, status=status, headers=dict(headers))

    def __call__(self, request: HttpRequest) -> Any:
        """Serve a request."""
        if self.async_mode:
            return self.__acall__(request)
        try:
            session = _provide(request, self._begin(request).wait())
        except SessionFailure as failure:
            return self.failed(request, failure)
        response: Any = self.get_response(request)
        if response.status_code != 500:
            try:
                _add_headers(response, _finish(request, session).wait())
            except SessionFailure as failure:
                return _replace(response, self.failed(request, failure))
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        """Serve a request in an event loop."""
        try:
            session = _provide(request, await self._begin(request))
        except SessionFailure as failure:
            return self.failed(request, failure)
        response: Any = await self.get_response(request)  # type: ignore[misc]
        if response.status_code != 500:
            try:
                _add_headers(response, await _finish(request, session))
            except SessionFailure as failure:
                return _replace(response, self.failed(request, failure))
        return response

    def _begin(self, request: HttpRequest) -> Call[Exchange]:
        return _wsgi.begin(
            manager(),
            request.META,
            method=request.method or "",
            is_secure=request.is_secure(),
            extends_idle_timeout=self.extends_idle_timeout(request),
        )


def _provide(request: HttpRequest, exchange: Exchange) -> Session:
    session = Session(exchange, manager().principal_field)
    request.session = SessionStore(shared=session)
    return session


def _finish(request: HttpRequest, session: Session) -> Call[Outcome]:
    return session.finish(_wsgi.header(request.META, "USER_AGENT"))


def _add_headers(response: HttpResponseBase, outcome: Outcome) -> None:
    vary, cache_control = ([response[name]] if name in response else [] for name in ("Vary", "Cache-Control"))
    for name, value in outcome.headers(vary, cache_control):
        if name == "set-cookie":
            response.cookies.load(value)
        else:
            response[name] = value


def _replace(response: HttpResponseBase, failed: HttpResponseBase) -> HttpResponseBase:
    """Return the response to a failure. What the other one holds open is closed with it."""
    failed._resource_closers.extend(response._resource_closers)  # type: ignore[attr-defined]
    return failed
