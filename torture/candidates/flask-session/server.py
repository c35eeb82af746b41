import os
import time
from urllib.parse import urlsplit

from flask import Flask, abort, request, session
from flask_session import Session
from redis import Redis
from redis.sentinel import Sentinel

url = urlsplit(os.environ["REDIS_URL"])
if url.scheme == "redis-sentinel":
    sentinels = [address.split(":") for address in url.netloc.split(",")]
    redis = Sentinel(sentinels, socket_timeout=0.1).master_for(url.path.strip("/"))
else:
    redis = Redis.from_url(url.geturl())

app = Flask(__name__)
app.config["SESSION_TYPE"] = "redis"
app.config["SESSION_REDIS"] = redis
Session(app)


@app.get("/session")
def show():
    return {name: session[name] for name in request.args["names"].split(",") if name in session}


@app.post("/<action>")
def change(action):
    name, value = request.args.get("name"), request.get_data(as_text=True)
    match action:
        case "session":
            app.session_interface.regenerate(session)
            session["user"] = value
        case "set":
            session[name] = value
        case "remove":
            session.pop(name, None)
        case "add":
            session.setdefault("items", []).append(value)
            session.modified = True  # the session does not see a change inside the list
        case "count":
            session["n"] = session.get("n", 0) + 1
        case "slow":
            session.get(name)
            time.sleep(int(request.args["wait"]) / 1000)
            session[name] = value
        case "renew":
            app.session_interface.regenerate(session)
        case "logout":
            session.clear()
        case _:
            abort(404)
    return ""
