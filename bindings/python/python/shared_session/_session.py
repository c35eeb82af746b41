"""The session of a request, for every door: a dict that remembers what it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from shared_session._engine import Call, Exchange, Outcome

_json = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
# also for numbers beyond a float, which another program may have stored
_any_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Session(dict[str, Any]):
    """The fields of a request's session, by their names. Values are what JSON can hold.

    What the request changes is stored field by field when it ends, also inside a list or a dict. Tuples become lists.
    """

    def __init__(self, exchange: Exchange, principal_field: str) -> None:
        super().__init__()
        self.exchange = exchange
        self._principal_field = principal_field
        self._before = exchange.fields()
        self._wish: Literal["keep", "renew", "end"] = "keep"
        self._sets_principal = False
        self._remember = False
        for name, text in self._before.items():
            try:
                super().__setitem__(name, json.loads(text))
            except (ValueError, RecursionError) as error:
                raise exchange.unreadable(str(error)) from None

    @property
    def user(self) -> str | None:
        """The id of the user who was signed in when the request came."""
        return self.exchange.user

    @property
    def handle(self) -> str | None:
        """The public name of the session, as the registry shows it, or `None` if the request came without a session."""
        return self.exchange.handle

    @property
    def remembered(self) -> bool:
        """Whether the user who was signed in when the request came stays signed in."""
        return self.exchange.remembered

    @property
    def modified(self) -> bool:
        """Whether the request changed the session. Setting it has no effect, because every change is noticed."""
        return self._wish != "keep" or bool(self._changed())

    @modified.setter
    def modified(self, _value: bool) -> None:
        pass

    def sign_in(self, user: str | int, remember: bool = False) -> None:
        """Sign a user in, after the password is verified, for example. The session keeps its fields and gets a new id.

        The field that `SESSION_PRINCIPAL_FIELD` names is set to `user`. With `remember` the user stays signed in, for
        `SESSION_REMEMBER_TTL` without a request, also after the browser was closed. Each sign-in decides anew.

        Raises `ValueError` if `user` is neither a non-empty text nor an integer of at most 53 bits.
        """
        self.exchange.check_user(user)
        self.renew()
        self[self._principal_field] = user
        self._remember = bool(remember)

    def renew(self) -> None:
        """Give the session a new id when the request ends. `sign_in` does so, too."""
        if self._wish == "keep":
            self._wish = "renew"

    def end(self) -> None:
        """End the session when the request ends. What is set after this call begins another one."""
        super().clear()
        self._wish = "end"
        self._remember = False

    def clear(self) -> None:
        """End the session, as `end` does, because `clear` is how applications sign a user out."""
        self.end()

    async def ended(self) -> None:
        """Wait until the session that the request came with has ended, or has another user.

        It is for an event stream or a websocket, which would otherwise go on as the old user. If its task is cancelled,
        nothing waits any more. It extends no idle timeout. Without a session it never returns.
        """
        await self.exchange.ended()

    def finish(self, user_agent: bytes | None = None) -> Call[Outcome]:
        """Store what the request changed: `.wait()` or `await` it. For doors."""
        return self.exchange.finish(self._wish, self._changed(), user_agent, self._remember)

    def state(self) -> object:
        """Return what `finish` would store now, to compare it later. For doors."""
        return self._wish, self._changed()

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of a session field is a str, not {type(name).__name__}")
        _to_json(name, value)
        self._sets_principal |= name == self._principal_field
        super().__setitem__(name, value)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return the field, which is set to `default` if the session does not have it."""
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several fields."""
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __ior__(self, other: Any) -> Session:  # type: ignore[override,misc]
        self.update(other)
        return self

    def _changed(self) -> dict[str, str | None]:
        """Return the fields that the request set, as JSON text, and `None` for those that it removed."""
        if self._wish == "end":
            return {name: _to_json(name, value) for name, value in self.items()}
        changed: dict[str, str | None] = dict.fromkeys(self._before.keys() - self.keys())
        # whoever renews the session and sets the same user signs in again
        signs_in = self._wish == "renew" and self._sets_principal
        for name, value in self.items():
            before = self._before.get(name)
            if before is None or (signs_in and name == self._principal_field) or not _is_unchanged(before, value):
                changed[name] = _to_json(name, value)
        return changed


def _is_unchanged(before: str, value: Any) -> bool:
    """Return whether a value is still what it was. JSON is compared, because in Python 1 equals True."""
    try:
        text = _any_json.encode(value)
        # most programs write JSON as this one does
        return text == before or text == _any_json.encode(json.loads(before))
    except (TypeError, ValueError, RecursionError):
        return False


def _to_json(name: str, value: Any) -> str:
    try:
        text = _json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise type(error)(f"session field {name!r} cannot be stored: {error}") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)  # with a lone surrogate, which the engine refuses
    return text
