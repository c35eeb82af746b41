# mypy: ignore-errors
"""An application in the style of Flask's tutorial, with the sessions of Flask. `test_moving.py` moves it."""

import functools

from flask import Blueprint, Flask, flash, g, get_flashed_messages, redirect, request, session, url_for
from werkzeug.security import check_password_hash, generate_password_hash

app = Flask(__name__)
app.secret_key = "dev"

users = []
bp = Blueprint("auth", __name__, url_prefix="/auth")


@bp.post("/register")
def register():
    password = generate_password_hash(request.form["password"])
    users.append({"id": len(users), "username": request.form["username"], "password": password})
    return redirect(url_for("auth.login"))


@bp.route("/login", methods=("GET", "POST"))
def login():
    if request.method == "POST":
        error = None
        user = next((user for user in users if user["username"] == request.form["username"]), None)
        if user is None:
            error = "Incorrect username."
        elif not check_password_hash(user["password"], request.form["password"]):
            error = "Incorrect password."
        if error is None:
            session.clear()
            session["user_id"] = user["id"]
            return redirect(url_for("index"))
        flash(error)
    return {"messages": get_flashed_messages()}


@bp.before_app_request
def load_logged_in_user():
    user_id = session.get("user_id")
    g.user = None if user_id is None else users[user_id]


@bp.get("/logout")
def logout():
    session.clear()
    return redirect(url_for("index"))


def login_required(view):
    @functools.wraps(view)
    def wrapped_view(**kwargs):
        if g.user is None:
            flash("Sign in first.")
            return redirect(url_for("auth.login"))
        return view(**kwargs)

    return wrapped_view


@app.get("/")
def index():
    return {"user": g.user and g.user["username"], "posts": session.get("posts", [])}


@app.post("/create")
@login_required
def create():
    session["posts"] = [*session.get("posts", []), request.form["title"]]
    return redirect(url_for("index"))


app.register_blueprint(bp)
