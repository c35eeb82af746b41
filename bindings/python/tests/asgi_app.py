"""An application in the style of FastAPI's tutorial. Two lines give it the session: the import and `add_middleware`."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import StreamingResponse
from shared_session.asgi import SessionMiddleware, session_of

app = FastAPI()
app.add_middleware(SessionMiddleware)


@app.post("/login/{user}")
async def log_in(request: Request, user: str) -> dict[str, str]:
    session = session_of(request)
    session.renew()
    session["userid"] = user
    return {"user": user}


@app.post("/logout")
async def log_out(request: Request) -> None:
    request.session.clear()


@app.get("/")
async def show(request: Request) -> dict[str, object]:
    return dict(request.session)


@app.post("/set/{name}")
def set_field(request: Request, name: str) -> None:
    """Run in a thread, as FastAPI runs what is not `async`."""
    request.session[name] = "x"


@app.post("/slow/{name}")
async def set_slowly(request: Request, name: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    request.session[name] = "x"


@app.post("/add/{item}")
async def add(request: Request, item: str) -> list[str]:
    request.session.setdefault("cart", []).append(item)
    cart: list[str] = request.session["cart"]
    return cart


@app.post("/stream")
async def stream(request: Request, endless: bool = False) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        yield "one "
        while endless:
            yield "more "
            await asyncio.sleep(0.001)
        yield "two"

    request.session["streamed"] = True
    return StreamingResponse(parts())


@app.post("/forbidden")
async def forbidden(request: Request) -> None:
    request.session["tried"] = True
    raise HTTPException(403)


@app.post("/crash")
async def crash(request: Request) -> None:
    request.session["crashed"] = True
    raise RuntimeError("a bug")


@app.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json(dict(websocket.session))
    websocket.session["lost"] = True
    await websocket.close()
