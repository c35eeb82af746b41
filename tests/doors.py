#!/usr/bin/env python3
"""Tests that programs in several languages share one session: tests/doors.py CANDIDATE...

Starts these candidates of torture/candidates on one Redis. Each is a door of the engine. `install` has to have prepared them.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

CANDIDATES = pathlib.Path(__file__).parent.parent / "torture" / "candidates"
CHANGES = 500
failed = 0


class Door:
    """A program that keeps the session, and the port on which it listens."""

    def __init__(self, name, redis):
        self.name = name
        self.port = free_port()
        url = f"redis://127.0.0.1:{redis.port}"
        environment = os.environ | {"PORT": str(self.port), "REDIS_URL": url, "SESSION_STORE": url, "SESSION_STORE_TIMEOUT": "3s"}
        self.process = subprocess.Popen([CANDIDATES / name / "start"], env=environment, start_new_session=True)

    async def request(self, method, path, body="", cookie=None):
        """Return the status, the cookie that the response sets (or the one that was sent), and the body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        head += f"Content-Length: {len(body.encode())}\r\n" + (f"Cookie: {cookie}\r\n" if cookie else "")
        writer.write((head + "\r\n" + body).encode())
        response = (await asyncio.wait_for(reader.read(), 30)).decode()
        writer.close()
        head, _, body = response.partition("\r\n\r\n")
        for line in head.split("\r\n")[1:]:
            name, _, value = line.partition(": ")
            if name.lower() == "set-cookie":
                cookie = value.split(";")[0]
            if (name.lower(), value.lower()) == ("transfer-encoding", "chunked"):
                body = without_chunks(body)
        return int(head.split(" ")[1]), cookie, body

    async def post(self, path, body="", cookie=None):
        status, cookie, _ = await self.request("POST", path, body, cookie)
        return status, cookie

    async def done(self, path, body="", cookie=None):
        """Carry a request out, and return the cookie that the browser then has."""
        status, cookie = await self.post(path, body, cookie)
        assert 200 <= status < 300, f"{self.name}: POST {path} was answered with {status}"
        return cookie

    async def fields(self, names, cookie):
        status, _, body = await self.request("GET", f"/session?names={names}", cookie=cookie)
        assert status == 200, f"{self.name}: GET /session was answered with {status}"
        return json.loads(body)


class Redis:
    def __init__(self, folder):
        self.port = free_port()
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)

    def command(self, *words, text=None):
        command = ["redis-cli", "-p", str(self.port), *([] if text is None else ["-X", "TEXT"]), *words]
        result = subprocess.run(command, input=text, capture_output=True, check=True)
        return result.stdout.removesuffix(b"\n")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def without_chunks(body):
    text = b""
    rest = body.encode()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        text, rest = text + rest[:length], rest[length + 2 :]
    return text.decode()


async def listens(door):
    for _ in range(600):
        if door.process.poll() is not None:
            sys.exit(f"{door.name} ended before it listened")
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    sys.exit(f"{door.name} does not listen")


async def check(description, test):
    global failed
    try:
        await test
        print(f"ok     {description}")
    except (AssertionError, OSError, asyncio.TimeoutError) as error:
        failed += 1
        print(f"FAILED {description}: {error}")


def expect(actual, expected, what):
    assert actual == expected, f"{what}: {actual}, expected {expected}"


async def sign_in_is_seen(door, doors):
    cookie = await door.done("/set?name=cart", "bread")
    cookie = await door.done("/session", "ada", cookie)
    for other in doors:
        expect(await other.fields("user,cart", cookie), {"user": "ada", "cart": "bread"}, other.name)


async def changes_are_seen(door, doors):
    cookie = await door.done("/session", "ada")
    for n, other in enumerate(doors):
        for path, body in [("/add", str(n)), ("/count", ""), ("/set?name=last", other.name)]:
            await other.done(path, body, cookie)
    expected = {"items": [str(n) for n in range(len(doors))], "n": len(doors), "last": doors[-1].name}
    expect(await door.fields("items,n,last", cookie), expected, door.name)


async def renewal_is_seen(door, doors):
    old = await door.done("/session", "ada")
    new = await door.done("/renew", "", old)
    for other in doors:
        expect(await other.fields("user", old), {}, f"the old id at {other.name}")
        expect(await other.fields("user", new), {"user": "ada"}, f"the new id at {other.name}")


async def log_out_is_seen(door, doors):
    cookie = await door.done("/session", "ada")
    slow = [asyncio.create_task(other.post("/slow?name=note&wait=1000", "x", cookie)) for other in doors]
    await asyncio.sleep(0.5)
    await door.done("/logout", "", cookie)
    for other, change in zip(doors, slow):
        status, _ = await change
        expect(status, 409, f"a change in flight at {other.name}")
        expect(await other.fields("user,note", cookie), {}, f"after the log-out, at {other.name}")


async def other_fields_stay_as_they_are(redis, door):
    """A field that no language but Rust could write back unchanged."""
    cookie = await door.done("/session", "ada")
    [key] = [key for key in redis.command("KEYS", "session:*").split() if redis.command("TYPE", key) == b"string"]
    exact = b'"exact":[9007199254740993,1.0,1e400,"\\u00e9 \\/"],'
    record = redis.command("GET", key)
    redis.command("SET", key, "TEXT", "KEEPTTL", text=b"{" + exact + record[1:])
    await door.done("/set?name=other", "x", cookie)
    assert exact[:-1] in redis.command("GET", key), f"the record is {redis.command('GET', key)!r}"
    expect(await door.fields("other", cookie), {"other": "x"}, door.name)


async def no_change_is_lost(doors):
    cookie = await doors[0].done("/session", "ada")
    changes = [doors[n % len(doors)].post(f"/set?name=f{n}", str(n), cookie) for n in range(CHANGES)]
    statuses = [status for status, _ in await asyncio.gather(*changes)]
    refused = {door.name: sum(status >= 300 for status in statuses[at :: len(doors)]) for at, door in enumerate(doors)}
    expect(sum(refused.values()), 0, f"changes that were not carried out ({refused})")
    fields = await doors[0].fields(",".join(f"f{n}" for n in range(CHANGES)), cookie)
    expect(sum(fields.get(f"f{n}") == str(n) for n in range(CHANGES)), CHANGES, "changes kept")


async def main(names):
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(folder)
        doors = [Door(name, redis) for name in names]
        try:
            await asyncio.gather(*(listens(door) for door in doors))
            for door in doors:
                await check(f"a sign-in at {door.name} is seen by all", sign_in_is_seen(door, doors))
                await check(f"a session of {door.name} is changed by all", changes_are_seen(door, doors))
                await check(f"a renewal at {door.name} is seen by all", renewal_is_seen(door, doors))
                await check(f"a log-out at {door.name} is final for all", log_out_is_seen(door, doors))
                redis.command("FLUSHALL")
                await check(f"{door.name} keeps other fields as they are", other_fields_stay_as_they_are(redis, door))
            await check(f"{CHANGES} concurrent changes lose nothing", no_change_is_lost(doors))
        finally:
            for process in [*(door.process for door in doors), redis.process]:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(asyncio.run(main(sys.argv[1:])))
