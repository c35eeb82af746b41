import time

from flask import Flask, abort, request, session
from shared_session.flask import SharedSession

app = Flask(__name__)
SharedSession(app)


@app.get("/session")
def show():
    return {name: session[name] for name in request.args["names"].split(",") if name in session}


@app.post("/<action>")
def change(action):
    name, value = request.args.get("name"), request.get_data(as_text=True)
    match action:
        case "session":
            session.renew()
            session["user"] = value
        case "set":
            session[name] = value
        case "remove":
            session.pop(name, None)
        case "add":
            session.setdefault("items", []).append(value)
        case "count":
            session["n"] = session.get("n", 0) + 1
        case "slow":
            session.get(name)
            time.sleep(int(request.args["wait"]) / 1000)
            session[name] = value
        case "renew":
            session.renew()
        case "logout":
            session.end()
        case _:
            abort(404)
    return ""
