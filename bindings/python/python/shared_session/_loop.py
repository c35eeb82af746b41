"""Waits for calls in an event loop of asyncio: one mailbox for each loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from shared_session._engine import Mailbox

if TYPE_CHECKING:
    from shared_session._engine import Call, Reply

T = TypeVar("T")


class _Waiting:
    """The tasks of a loop that wait for replies."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.mailbox = Mailbox()
        self.futures: dict[int, asyncio.Future[Reply]] = {}
        loop.add_reader(self.mailbox.fileno(), self.deliver)

    def deliver(self) -> None:
        if not self.mailbox.is_own:
            return  # a child of a fork goes on with its parent's loop
        for number, reply in self.mailbox.take():
            future = self.futures.pop(number, None)
            if future is not None and not future.done():
                future.set_result(reply)


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Waiting] = WeakKeyDictionary()


async def wait(call: Call[T]) -> T:
    """Begin a call and wait for its result. If the task is cancelled, a call that stores something goes on."""
    loop = asyncio.get_running_loop()
    waiting = _loops.get(loop)
    if waiting is None or not waiting.mailbox.is_own:
        waiting = _loops[loop] = _Waiting(loop)
    future: asyncio.Future[Reply] = loop.create_future()
    number = call.post(waiting.mailbox)
    waiting.futures[number] = future
    try:
        reply = await future
    finally:
        waiting.futures.pop(number, None)
        call.stop()
    result: T = reply.result()
    return result
