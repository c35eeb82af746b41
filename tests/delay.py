"""Forwards connections as a distant server would be reached.

delay.py PORT TARGET MILLISECONDS: listens on PORT of 127.0.0.1, forwards to TARGET, and delays each direction by half of the time.
"""

import asyncio
import sys

port, target, delay = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 2000


async def copy(reader, writer):
    waiting = asyncio.Queue()

    async def write():
        while (item := await waiting.get()) is not None:
            due, data = item
            await asyncio.sleep(due - loop.time())
            writer.write(data)
            await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    writing = loop.create_task(write())
    try:
        while data := await reader.read(65536):
            waiting.put_nowait((loop.time() + delay, data))
    except ConnectionError:
        pass
    waiting.put_nowait(None)
    await asyncio.gather(writing, return_exceptions=True)


async def forward(reader, writer):
    try:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", target)
    except OSError:
        writer.close()
        return
    await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))


async def main():
    server = await asyncio.start_server(forward, "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main())
