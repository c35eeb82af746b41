"""The pages that are measured, in Flask."""

import os

from flask import Flask, abort, request, session

app = Flask(__name__)
fields = session
match os.environ["CANDIDATE"]:
    case "bare":
        fields = {"userid": "user1", "username": "홍길동"}
    case "alternative":
        from flask_session import Session
        from redis import Redis

        app.config.update(SESSION_TYPE="redis", SESSION_REDIS=Redis.from_url(os.environ["SESSION_STORE"]))
        Session(app)
    case "redis":
        from shared_session.flask import SharedSession

        SharedSession(app)


@app.post("/new")
def create():
    session["userid"] = "user" + request.args["user"]
    session["username"] = "홍길동"
    session["count"] = 0
    return ""


@app.get("/read")
def read():
    if "userid" not in fields:
        abort(500)
    return f"hello {fields['username']} ({fields['userid']})\n"


@app.post("/change")
def change():
    session["count"] += 1
    return ""
