"""The door for Django: `request.session` is shared, with two lines in the settings.

```python
MIDDLEWARE = ["shared_session.django.SessionMiddleware", ...]  # in place of that of django.contrib.sessions
SESSION_ENGINE = "shared_session.django"
```

`SHARED_SESSION`, if the settings have it, holds keyword arguments of `SessionManager.from_env`.
`shared_session.django.auth` makes users of other services users of Django.
"""

from shared_session.django._middleware import SessionMiddleware
from shared_session.django._session import SessionStore, manager

__all__ = ["SessionMiddleware", "SessionStore", "manager"]
