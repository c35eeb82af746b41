"""A small application, for the servers in `test_servers.py`."""

from __future__ import annotations

import os

from flask import Flask
from shared_session import SessionManager
from shared_session.flask import SharedSession, session

app = Flask(__name__)
manager = SessionManager.from_env()
SharedSession(app, manager)
if os.environ.get("USE_BEFORE_FORK"):
    manager.ready()
    # with a cache, a read makes Redis tell what changes
    manager.begin([b"sid=" + b"a" * 48], safe=True, https=False).wait()


@app.get("/")
def show() -> dict[str, object]:
    return dict(session)


@app.put("/<name>/<value>")
def put(name: str, value: str) -> dict[str, object]:
    session[name] = value
    return {"pid": os.getpid()}


@app.post("/renew")
def renew() -> str:
    session.renew()
    return "renewed"


@app.delete("/")
def end() -> str:
    session.end()
    return "ended"
