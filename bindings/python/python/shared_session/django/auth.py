"""Makes users who signed in at another service users of Django, as `RemoteUserMiddleware` does.

```python
MIDDLEWARE = [
    ...,
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "shared_session.django.auth.PrincipalMiddleware",
]
AUTHENTICATION_BACKENDS = ["shared_session.django.auth.PrincipalBackend", "django.contrib.auth.backends.ModelBackend"]
```

Nothing is written to the session: whoever signs out at another service is signed out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.auth import authenticate, get_user
from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

if TYPE_CHECKING:
    from django.http import HttpRequest


class PrincipalBackend(RemoteUserBackend):
    """Finds the Django user whose username is the principal, or creates it with an unusable password.

    A user who has a password in Django is not found, because whoever chose the same name at the other service could be
    someone else. If equal names mean the same people, override `user_can_authenticate`.
    """

    def user_can_authenticate(self, user: AbstractBaseUser | AnonymousUser | None) -> bool:
        """Return whether the user is active and has no password."""
        has_password = not isinstance(user, AbstractBaseUser) or user.has_usable_password()
        return super().user_can_authenticate(user) and not has_password

    def configure_user(self, request: HttpRequest | None, user: Any, created: bool = True) -> Any:
        """Give a new user an unusable password."""
        user = super().configure_user(request, user, created=created)
        if created:
            user.set_unusable_password()
            user.save(update_fields=["password"])
        return user


class PrincipalMiddleware(MiddlewareMixin):
    """Sets `request.user` to the user who signed in at another service. It comes after `AuthenticationMiddleware`."""

    def process_request(self, request: HttpRequest) -> None:
        """Set the user, who is looked up when the view needs it."""
        principal = request.session.user  # type: ignore[attr-defined]
        if principal is None:
            return
        user: Any = SimpleLazyObject(lambda: _user(request, principal))

        async def auser() -> Any:
            await sync_to_async(lambda: user.is_authenticated)()
            return user

        request.user = user
        request.auser = auser


def _user(request: HttpRequest, principal: str) -> AbstractBaseUser | AnonymousUser:
    own = get_user(request)
    if own.is_authenticated and own.get_username() == principal:
        return own
    return authenticate(request, remote_user=principal) or AnonymousUser()
