"""The exceptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared_session._engine import Failure


class ConfigurationError(ValueError):
    """A setting is invalid. The text names its variable, and repeats no secret."""


class SessionFailure(Exception):  # noqa: N818
    """A session could not be loaded or stored. The text is for logs: it holds no id, no value and no password."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self._failure = failure
        self.status: int = failure.status
        """The status of the response: 409, 413, 500 or 503."""
        self.code: str = failure.code
        """The name of the failure, the same in every language."""
        self.message: str = failure.message
        """The message for the user."""
        self.retry_after: str | None = failure.retry_after
        """The value of `Retry-After`, if the request may succeed soon."""

    def response(self, accept: bytes | None = None) -> tuple[int, list[tuple[str, str]], str]:
        """Log and count the failure, and return status, headers and body of the response for this `Accept` header."""
        return self._failure.response(accept)


class StoreUnavailable(SessionFailure):
    """The store is unreachable or did not reply in time. A change may or may not have been stored."""


class CircuitOpen(StoreUnavailable):
    """The store was unavailable for earlier requests, so this one did not try. Nothing was stored."""


class StoreRefused(SessionFailure):
    """The store refused the operation: out of memory, read-only, not permitted."""


class OutOfTime(SessionFailure):
    """The time that a request may wait for the store was used up before the operation began."""


class Contended(SessionFailure):
    """Other requests kept changing the session until the deadline. Nothing was stored."""


class RevocationUnfinished(SessionFailure):
    """Some of a user's sessions could not be revoked. Others were."""


class SessionEnded(SessionFailure):
    """The session was destroyed, revoked or expired while the request was in flight. Nothing was stored."""


class SessionSuperseded(SessionFailure):
    """Another request renewed the session first, and the change is not allowed. Nothing was stored."""


class SessionTooLarge(SessionFailure):
    """The change would make the record larger than `SESSION_MAX_SIZE`. Nothing was stored."""


class SessionUnreadable(SessionFailure):
    """The value under the session's key is not a valid record. It was left unchanged."""


class SessionUnwritable(SessionFailure):
    """The handler set a field that the format cannot express or that is reserved. Nothing was stored."""


_CLASSES: dict[str, type[SessionFailure]] = {
    "store_unavailable": StoreUnavailable,
    "circuit_open": CircuitOpen,
    "store_refused": StoreRefused,
    "out_of_time": OutOfTime,
    "session_contended": Contended,
    "revocation_unfinished": RevocationUnfinished,
    "session_ended": SessionEnded,
    "session_superseded": SessionSuperseded,
    "session_full": SessionTooLarge,
    "session_unreadable": SessionUnreadable,
    "session_unwritable": SessionUnwritable,
}


def failure(native: Failure) -> SessionFailure:
    """Return the exception of a failure of the engine."""
    return _CLASSES.get(native.code, SessionFailure)(native)
