"""What the doors for Flask and Django have in common: a request's headers, as WSGI names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared_session._engine import is_https, is_safe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared_session._engine import Call, Exchange
    from shared_session._manager import SessionManager


def header(environ: Mapping[str, Any], name: str) -> bytes | None:
    """Return a header as it was sent (PEP 3333)."""
    value: str | None = environ.get(f"HTTP_{name}")
    return None if value is None else value.encode("latin-1")


def begin(
    manager: SessionManager, environ: Mapping[str, Any], *, method: str, is_secure: bool, extends_idle_timeout: bool
) -> Call[Exchange]:
    """Load the session of a request. `is_secure` says whether its connection is https."""
    cookie, forwarded = header(environ, "COOKIE"), header(environ, "FORWARDED")
    return manager.begin(
        [] if cookie is None else [cookie],
        safe=is_safe(method),
        https=is_https([] if forwarded is None else [forwarded], header(environ, "X_FORWARDED_PROTO"), is_secure),
        extends_idle_timeout=extends_idle_timeout,
    )
