"""The pages at /python/: a Flask application in the session that the programs of the site share."""

import json
import os
import re
import socket
from datetime import datetime, timezone

import flask
from flask import Flask, redirect, render_template, request, session
from shared_session import SessionFailure
from shared_session.flask import SharedSession
from werkzeug.exceptions import Forbidden, HTTPException, UnprocessableEntity

LECTURE_USER = {"username": "홍길동", "userid": "kky"}
LONGEST_NOTE = 100
OWN = ("same-origin", "none")  # the values of Sec-Fetch-Site for a request from this site, or from no page
PROGRAMS = ("user", "task", "python", "node", "php")
CARD_FIELDS = 12
TITLES = {
    403: "Request refused",
    404: "Page not found",
    409: "Your change was not saved",
    422: "Invalid request",
    503: "Not available at the moment",
}

app = Flask(__name__, static_folder=None)
app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
SharedSession(app)


@app.before_request
def check_origin():
    """Refuse a change that a page of another site sent, as the other services do."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        own = site in OWN
    else:
        scheme, host = request.headers.get("X-Forwarded-Proto", request.scheme), request.headers.get("Host", "")
        own = request.headers.get("Origin", "").lower() == f"{scheme}://{host}".lower()
    if not own and request.method not in ("GET", "HEAD", "OPTIONS"):
        raise Forbidden("This form was sent from another site, so nothing was changed. Use the form on this site.")


@app.after_request
def keep_out_of_caches(response):
    response.headers["Cache-Control"] = "no-store"
    return response


def signed_in():
    """Return whether a user is signed in. The lecture's user has no account."""
    account = session.get("account")
    return isinstance(account, str) and account != ""


def to_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def text(name):
    """Return a field as text. It is empty if the session does not have the field."""
    value = session.get(name)
    return value if isinstance(value, str) else "" if value is None else to_json(value)


app.jinja_env.globals.update(signed_in=signed_in, text=text)


def index(note=None, error=None):
    fields = [(name, to_json(value)) for name, value in sorted(session.items())]
    note = text("note") if note is None else note
    return render_template("index.html", fields=fields, note=note, error=error, longest=LONGEST_NOTE)


@app.get("/python/")
def show():
    return index()


@app.post("/python/")
def set_note():
    note = request.form.get("note", "").strip()
    if len(note) > LONGEST_NOTE:
        return index(note, f"Enter at most {LONGEST_NOTE} characters."), 422
    if note:
        session["note"] = note
    else:
        session.pop("note", None)
    return redirect("/python/#session", 303)


def cut(text, columns):
    """Return the start of a text that fits into this many columns, without what cannot be seen."""
    shown, width = "", 0
    for character in text:
        width += 2 if character >= "\u1100" else 1
        if width > columns:
            return shown[:-1] + "…"
        shown += character if character.isprintable() else "\ufffd"
    return shown


@app.get("/python/session.svg")
def card():
    """Draw the session as this program reads it, as the other programs do."""

    def writer(name):
        prefix, dot, _ = name.partition(".")
        return prefix if dot and prefix in PROGRAMS else ""

    fields = [(writer(name), cut(name, 14), cut(to_json(value), 16)) for name, value in sorted(session.items())]
    fields.sort(key=lambda field: field[0] == "")
    shown = CARD_FIELDS - 1 if len(fields) > CARD_FIELDS else len(fields)
    picture = render_template(
        "session.svg",
        fields=fields[:shown],
        more=len(fields) - shown,
        height=140 + 24 * (max(shown, 1) + (len(fields) > shown)),
        process=f"process {os.getpid()} on {cut(socket.gethostname(), 16)}",
        time=datetime.now(timezone.utc).strftime("%H:%M:%S"),
    )
    return flask.Response(picture, mimetype="image/svg+xml")


@app.post("/python/note")
def write_note():
    """Write a field of the visitor's choice, under the name of this program, and lead back to the first page."""
    name, value = request.form.get("name", "").strip(), request.form.get("value", "").strip()
    if not re.fullmatch("[a-z0-9_-]{1,12}", name):
        raise UnprocessableEntity("A name has 1 to 12 characters: a to z, 0 to 9, - and _.")
    if len(value) > 40 or not value.isprintable():
        raise UnprocessableEntity("A value has at most 40 characters, all of them visible.")
    field = f"python.{name}"
    if not value:
        session.pop(field, None)
    elif field not in session and sum(name.startswith("python.") for name in session) >= 8:
        raise UnprocessableEntity("This program keeps at most 8 fields of yours. Send one of them without a value, which removes it.")
    else:
        session[field] = value
    return redirect("/user/", 303)


@app.get("/python/redis_session_get")
def redis_session_get():
    return render_template("redis_session_get.html")


@app.get("/python/redis_session_set")
def redis_session_set():
    """Set the lecture's user, or ask first if a link on another site led here or if this would sign a user out."""
    if request.headers.get("Sec-Fetch-Site", "none") not in OWN or signed_in():
        return render_template("redis_session_set_form.html")
    return submit_redis_session_set()


@app.post("/python/redis_session_set")
def submit_redis_session_set():
    if signed_in():
        session.clear()
    session.update(LECTURE_USER)
    return render_template("redis_session_set.html")


@app.get("/healthz")
def healthz():
    return "ok\n"


def error_page(status, message):
    general = "Something went wrong" if status >= 500 else "Invalid request"
    return render_template("error.html", status=status, title=TITLES.get(status, general), message=message)


@app.errorhandler(HTTPException)
def http_error(error):
    response = error.get_response()
    if error.code == 404:
        message = "The address may be mistyped, or the page was removed."
    elif error.code >= 500:
        message = "Something went wrong here, and it is not your fault."
    elif isinstance(error, (Forbidden, UnprocessableEntity)):
        message = error.description
    else:
        message = "The data that you sent is invalid."
    response.set_data(error_page(error.code, message))
    return response


@app.errorhandler(SessionFailure)
def session_failure(failure):
    status, headers, body = failure.response(request.headers.get("Accept", "").encode("latin-1"))
    response = flask.make_response(body, status, headers)
    if response.mimetype == "text/html":
        response.set_data(error_page(status, failure.message))
    return response
