"""HTTP sessions that programs in several languages share over Redis.

`shared_session.flask`, `.django` and `.asgi` are doors for these frameworks. Here is what every door needs: the
manager, the session, the exceptions.
"""

from __future__ import annotations

import atexit
import os

from shared_session import _engine, _errors, _logs, _loop
from shared_session._engine import is_https, is_safe
from shared_session._errors import (
    CircuitOpen,
    ConfigurationError,
    Contended,
    OutOfTime,
    RevocationUnfinished,
    SessionEnded,
    SessionFailure,
    SessionSuperseded,
    SessionTooLarge,
    SessionUnreadable,
    SessionUnwritable,
    StoreRefused,
    StoreUnavailable,
)
from shared_session._manager import Metric, SessionInfo, SessionManager, SessionPage, drain, metrics
from shared_session._session import Session

__all__ = [
    "CircuitOpen",
    "ConfigurationError",
    "Contended",
    "Metric",
    "OutOfTime",
    "RevocationUnfinished",
    "Session",
    "SessionEnded",
    "SessionFailure",
    "SessionInfo",
    "SessionManager",
    "SessionPage",
    "SessionSuperseded",
    "SessionTooLarge",
    "SessionUnreadable",
    "SessionUnwritable",
    "StoreRefused",
    "StoreUnavailable",
    "drain",
    "is_https",
    "is_safe",
    "metrics",
]

_engine.connect(_loop.wait, _logs.deliver, _errors)
os.register_at_fork(
    before=_engine.before_fork,
    after_in_parent=_engine.after_fork_in_parent,
    after_in_child=_engine.after_fork_in_child,
)
# the last one is called first
atexit.register(drain)
atexit.register(_engine.before_exit)
