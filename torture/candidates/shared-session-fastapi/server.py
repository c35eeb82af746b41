import asyncio

from fastapi import FastAPI, HTTPException, Request
from shared_session.asgi import SessionMiddleware

app = FastAPI()
app.add_middleware(SessionMiddleware)


@app.get("/session")
async def show(request: Request, names: str):
    return {name: request.session[name] for name in names.split(",") if name in request.session}


@app.post("/{action}")
async def change(request: Request, action: str, name: str = "", wait: int = 0):
    session, value = request.session, (await request.body()).decode()
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
            await asyncio.sleep(wait / 1000)
            session[name] = value
        case "renew":
            session.renew()
        case "logout":
            session.end()
        case _:
            raise HTTPException(404)
