"""Shares sessions with the services from Python: written from docs/wire-format.md, with the standard library alone.

Usage: wire_client.py PORT TIMEOUT. Each line of its input is a JSON array, a method of Client and its arguments; each line
of its output is the result. `load` begins a request, and `finish` ends it. The scripts are those of the page.
"""
import base64, hashlib, hmac, json, math, re, secrets, socket, sys, threading, time
from pathlib import Path

PREFIX, PRINCIPAL, MAX_SIZE, GRACE, TTL, LIFETIME = "session:", "userid", 256 * 1024, 30, 3600, 24 * 3600
IDLE, ALPHABET = 1000 * min(TTL, LIFETIME), "0123456789abcdefghijklmnopqrstuvwxyz"
PAGE = Path(__file__).parents[1].joinpath("docs/wire-format.md").read_text("utf-8")
COMPARE_AND_SET, INDEX_ADD = re.findall(r"```lua [a-z-]+\n(.*?)\n```", PAGE, re.DOTALL)


class Failed(Exception):
    """The status that answers the request. Nothing was changed."""


class Redis:
    def __init__(self, port, timeout):
        self.address, self.timeout, self.socket = ("127.0.0.1", port), timeout, None

    def run(self, *arguments):
        try:
            self.socket = self.socket or socket.create_connection(self.address, self.timeout)
            parts = [part if isinstance(part, bytes) else str(part).encode() for part in arguments]
            self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
            with self.socket.makefile("rb") as replies:
                kind, rest = (line := replies.readline())[:1], line[1:-2]
                bulk = replies.read(int(rest) + 2)[:-2] if kind == b"$" and rest != b"-1" else None
        except OSError:
            self.socket = None  # a late reply would be taken for that of the next command
            raise
        if kind == b"-":
            raise Failed(500 if rest.startswith(b"WRONGTYPE") else 503)
        if not kind:
            self.socket = None
            raise ConnectionError("Redis closed the connection")
        return int(rest) if kind == b":" else rest if kind == b"+" else bulk

    def replace(self, session, *record):
        """Replaces the record, or deletes it, if it is still the one that was read."""
        sha1 = hashlib.sha1(session.source).hexdigest()
        return self.run("EVAL", COMPARE_AND_SET, 1, session.key, sha1, *record, *([IDLE] if record else []))

    def add_to_index(self, session):
        score, now = 1000 * (session.created + LIFETIME), int(1000 * time.time())
        self.run("EVAL", INDEX_ADD, 1, session.index(), session.selector, score, now)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest(text):
    return base64url(hashlib.sha256(text.encode()).digest())


def random_text(length):
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


class Session:
    """A record as it was read, and its members: name, value as JSON text, and both as they are in the record."""

    def __init__(self, selector, source):
        self.selector, self.key, self.source, self.members = selector, PREFIX + selector, source, []
        try:
            text, scan, space = source.decode(), json.JSONDecoder().raw_decode, re.compile(r"[ \t\n\r]*")
            values = json.loads(text, parse_constant=lambda constant: int(constant))  # NaN is not JSON, nor an integer
            meta = values.get("_session", {"created": int(time.time())})
            at = text.index("{")
            while text[at] != "}":
                start = space.match(text, at + 1).end()
                name, end = scan(text, start)
                value = space.match(text, text.index(":", end) + 1).end()
                end = scan(text, value)[1]
                self.members.append((name, text[value:end], text[start:end]))
                at = space.match(text, end).end()
            self.created, self.verifier, self.superseded = meta["created"], meta.get("verifier", ""), meta.get("superseded", [])
            self.indexed, self.device = meta.get("indexed"), meta.get("device")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Failed(500)

    def get(self, name):
        return next((value for other, value, _ in reversed(self.members) if other == name), None)

    def apply(self, change):
        """Sets fields to JSON text, where they are or at the end. No text removes a field."""
        for name, value in change.items():
            if value != self.get(name):
                at = max((at for at, member in enumerate(self.members) if member[0] == name), default=len(self.members))
                new = (name, value, f"{json.dumps(name, ensure_ascii=False)}:{value}")
                self.members[at : at + 1] = [new]
                self.members = [member for member in self.members if member[0] != name or (value and member is new)]

    def supersede(self, verifier):
        self.superseded = [[verifier, math.ceil(time.time())], *self.superseded][:4]

    def is_recent(self, verifier):
        return any(old == verifier and time.time() < since + GRACE for old, since in self.superseded)

    def has_ended(self):
        return self.created + LIFETIME <= time.time()

    def index(self):
        value = self.get(PRINCIPAL) or ""
        user = json.loads(value) if value.startswith('"') else value if value[:1].isdigit() or value[:1] == "-" else ""
        return f"{PREFIX}index:{digest(user)}" if user else None

    def encode(self, device="", renewed=False):
        """Returns the new record, and whether the index must get the session before it is written."""
        lines = f"{self.index()}\n{self.selector}\n{self.created + LIFETIME}"
        entry = base64url(hashlib.sha256(lines.encode()).digest()[:9]) if self.index() else None
        missing = entry and entry != self.indexed
        meta = {"created": self.created, "verifier": self.verifier}
        meta["superseded"] = [old for old in self.superseded if self.is_recent(old[0])]
        meta["indexed"] = entry
        meta["device"] = entry and (device if device and (missing or renewed) else self.device)
        present = {name: value for name, value in meta.items() if value}
        self.apply({"_session": json.dumps(present, ensure_ascii=False, separators=(",", ":"))})
        record = ("{" + ",".join(text for _, _, text in self.members) + "}").encode()
        if len(record) > max(MAX_SIZE, len(self.source)):
            raise Failed(413)
        return record, missing


class Client:
    def __init__(self, port, timeout):
        self.redis, self.options = Redis(port, timeout), (port, timeout)

    def load(self, cookie):
        """Returns the status, what the id leads to, and the fields with their JSON text."""
        self.state, self.session = "missing", None
        if re.fullmatch(f"[{ALPHABET}]{{48}}", cookie):
            source = self.redis.run("GETEX", PREFIX + cookie[:20], "PX", IDLE)
            found, self.loaded = Session(cookie[:20], source) if source is not None else None, digest(cookie[20:])
            if found and found.has_ended():
                self.redis.replace(found)
            elif found and hmac.compare_digest(found.verifier, self.loaded):
                self.state, self.session = "session", found
            elif found and found.is_recent(self.loaded):
                self.state, self.session = "superseded", found
        members = self.session.members if self.state == "session" else []
        return 200, self.state, {name: value for name, value, _ in members if name != "_session"}

    def finish(self, wish, change, user_agent):
        """Stores a change of fields. Returns the status and the new cookie: null leaves it, and an empty one removes it."""
        device = re.sub(r"[\x00-\x1f\x7f-\x9f]", "", user_agent.strip())[:200]
        if "_session" in change:
            raise Failed(500)
        if wish == "log out":
            return 200, self.log_out()
        if self.state == "session":
            return 200, self.commit(change, device, random_text(28) if wish == "renew" else None)
        if change and self.state == "superseded":
            raise Failed(409)
        return 200, self.create(change, device) if change else None

    def create(self, change, device):
        id = random_text(48)
        meta = {"created": int(time.time()), "verifier": digest(id[20:])}
        session = Session(id[:20], json.dumps({"_session": meta}).encode())
        session.apply(change)
        record, missing = session.encode(device)
        if not self.redis.run("SET", session.key, record, "NX", "PX", IDLE):
            return self.create(change, device)
        try:
            if missing:
                self.redis.add_to_index(session)
        except Failed:
            self.redis.run("GETEX", session.key, "PX", 1)
            raise
        return id

    def commit(self, change, device, verifier):
        session, renewed = self.session, verifier and digest(verifier)
        while not session.has_ended():
            if renewed and session.verifier == renewed:  # the reply to an earlier attempt was lost
                return session.selector + verifier
            if session.verifier != self.loaded:
                if not session.is_recent(self.loaded) or change.get(PRINCIPAL) is not None:
                    raise Failed(409)
                renewed = None
            before = Session(session.selector, session.source)
            session.apply(change)
            if session.members == before.members and not renewed:
                return None
            if renewed:
                session.supersede(session.verifier)
                session.verifier = renewed
            record, missing = session.encode(device, bool(renewed))
            if missing:
                self.redis.add_to_index(session)
            try:
                reply = self.redis.replace(session, record)
            except OSError:
                if renewed:
                    undo = change if change.get(PRINCIPAL) is not None else {}
                    threading.Thread(target=Client(*self.options).settle, args=(before, renewed, undo)).start()
                raise
            if reply in (1, record):
                return session.selector + verifier if renewed else None
            if reply == 0:
                break
            session = Session(session.selector, reply)
        raise Failed(409)

    def settle(self, before, renewed, change):
        """Makes the old id valid again after a renewal whose outcome is unknown."""
        deadline = time.time() + GRACE
        while time.time() < deadline:
            time.sleep(0.1)
            try:
                source = self.redis.run("GET", before.key)
                session = source and Session(before.selector, source)
                if not session or session.verifier not in (before.verifier, renewed):
                    return
                if session.verifier == renewed:
                    session.verifier = before.verifier
                    session.superseded = [old for old in session.superseded if old[0] != before.verifier]
                    session.apply({name: before.get(name) for name, left in change.items() if session.get(name) == left})
                session.supersede(renewed)
                record, missing = session.encode()
                if missing:
                    self.redis.add_to_index(session)
                if self.redis.replace(session, record) in (0, 1, record):
                    return
            except (OSError, Failed):
                pass

    def log_out(self):
        while self.session:
            reply = self.redis.replace(self.session)
            if isinstance(reply, int):
                if self.session.index():
                    self.redis.run("ZREM", self.session.index(), self.session.selector)
                break
            self.session = Session(self.session.selector, reply)
        return ""


if __name__ == "__main__":
    client = Client(int(sys.argv[1]), float(sys.argv[2]))
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        try:
            result = getattr(client, method)(*arguments)
        except Failed as failed:
            result = failed.args[0], None
        except OSError:
            result = 503, None
        print(json.dumps(result), flush=True)
