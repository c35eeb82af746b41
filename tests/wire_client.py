"""Shares sessions with the services from Python: written from docs/wire-format.md, with the standard library alone.

Usage: wire_client.py PORT TIMEOUT. Each line of its input is a JSON array, a method of Client and its arguments; each line
of its output is the result. `load` begins a request, and `finish` ends it. The scripts are those of the page.
"""
import base64, hashlib, hmac, json, math, re, secrets, socket, sys, threading, time
from pathlib import Path

PREFIX, PRINCIPAL, TTL, LIFETIME, MAX_SIZE, GRACE = "session:", "userid", 3600, 24 * 3600, 256 * 1024, 30
IDLE, ALPHABET = 1000 * min(TTL, LIFETIME), "0123456789abcdefghijklmnopqrstuvwxyz"
PAGE = Path(__file__).parents[1].joinpath("docs/wire-format.md").read_text("utf-8")
COMPARE_AND_SET, INDEX_ADD = re.findall(r"```lua [a-z-]+\n(.*?)\n```", PAGE, re.DOTALL)
PORT, TIMEOUT = int(sys.argv[1]), float(sys.argv[2])


class Failed(Exception):
    """The status that answers the request."""


def redis(*arguments):
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in arguments]
    with socket.create_connection(("127.0.0.1", PORT), TIMEOUT) as connection, connection.makefile("rb") as replies:
        connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        line = replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("no reply")
        if line.startswith(b"-"):
            raise Failed(500 if line.startswith(b"-WRONGTYPE") else 503)
        if line.startswith(b"$"):
            return replies.read(int(line[1:]) + 2)[:-2] if line != b"$-1\r\n" else None
        return int(line[1:]) if line.startswith(b":") else line


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def digest(text):
    return base64url(hashlib.sha256(text.encode()).digest()[:18])


def random_text(length):
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


class Session:
    """A record as it was read. Its members are names, values as JSON text, and both as they are in the record."""

    def __init__(self, selector, source):
        self.selector, self.key, self.source, self.members = selector, PREFIX + selector, source, []
        try:
            text, scan, space = source.decode(), json.JSONDecoder().raw_decode, re.compile(r"[\s,]*")
            values = json.loads(text, parse_constant=lambda name: int(name))  # NaN is neither JSON nor an integer
            at = space.match(text, text.index("{") + 1).end()
            while text[at] != "}":
                name, end = scan(text, at)
                value = space.match(text, text.index(":", end) + 1).end()
                end = scan(text, value)[1]
                self.members.append((name, text[value:end], text[at:end]))
                at = space.match(text, end).end()
            self.meta = values.get("_session", {"created": int(time.time())})
            self.superseded, self.verifier = self.meta.get("superseded", []), self.meta.get("verifier", "")
            self.created = self.meta["created"]
            self.lifetime_end = self.meta.get("signed_in", self.created) + LIFETIME
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Failed(500)

    def get(self, name):
        return next((value for other, value, _ in reversed(self.members) if other == name), None)

    def apply(self, change):
        """Sets fields to JSON text, where they are or at the end. No text removes a field."""
        for name, value in change.items():
            if value != self.get(name):
                new = (name, value, f"{json.dumps(name, ensure_ascii=False)}:{value}")
                at = max((at for at, member in enumerate(self.members) if member[0] == name), default=len(self.members))
                self.members[at : at + 1] = [new]
                self.members = [member for member in self.members if member[0] != name or (value and member is new)]

    def sign_in(self, change):
        """Begins the lifetime anew if the change sets the principal field to a user, also to the same one."""
        if change.get(PRINCIPAL) and self.index():
            self.lifetime_end = int(time.time()) + LIFETIME

    def supersede(self, verifier):
        self.superseded = [[verifier, math.ceil(time.time())], *self.superseded]

    def is_recent(self, verifier):
        return any(old == verifier and time.time() < since + GRACE for old, since in self.superseded)

    def user(self):
        value = self.get(PRINCIPAL) or ""
        return json.loads(value) if value.startswith('"') else value if value[:1] in tuple("-0123456789") else ""

    def index(self):
        return f"{PREFIX}index:{digest(self.user())}" if self.user() else None

    def encode(self, device="", renewed=False):
        """Returns the new record, and whether the index must get the session before the record is written."""
        lines = f"{self.user()}\n{self.selector}\n{self.lifetime_end}"
        entry = self.user() and base64url(hashlib.sha256(lines.encode()).digest()[:9])
        missing = entry != self.meta.get("indexed") and bool(entry)
        device = device if device and (missing or renewed) else self.meta.get("device")
        recent = [old for old in self.superseded if self.is_recent(old[0])]
        start = self.lifetime_end - LIFETIME
        meta = {"created": self.created, "signed_in": start if start != self.created else None}
        meta |= {"verifier": self.verifier, "superseded": recent, "indexed": entry, "device": entry and device}
        meta = {name: value for name, value in meta.items() if value}
        self.apply({"_session": json.dumps(meta, ensure_ascii=False, separators=(",", ":"))})
        record = ("{" + ",".join(text for _, _, text in self.members) + "}").encode()
        if len(record) > max(MAX_SIZE, len(self.source)):
            raise Failed(413)
        return record, missing

    def add_to_index(self):
        left = min(self.lifetime_end - time.time(), LIFETIME)
        redis("EVAL", INDEX_ADD, 1, self.index(), self.selector, int(1000 * left))

    def replace(self, *record):
        """Replaces or deletes the record. Returns 1, 0 if there is none, or the newer session if it changed."""
        expiry = [IDLE] if record else []
        reply = redis("EVAL", COMPARE_AND_SET, 1, self.key, self.source, *record, *expiry)
        return Session(self.selector, reply) if isinstance(reply, bytes) and (reply,) != record else int(reply != 0)


class Client:
    def load(self, cookie):
        """Begins a request. Returns the status, what the id leads to, and the fields with their JSON text."""
        self.state, self.session, self.loaded = "missing", None, digest(cookie[20:])
        if re.fullmatch(f"[{ALPHABET}]{{48}}", cookie):
            source = redis("GETEX", PREFIX + cookie[:20], "PX", IDLE)
            session = Session(cookie[:20], source) if source is not None else None
            if session and session.lifetime_end <= time.time():
                pass  # the record stays, because this program's clock may be wrong
            elif session and hmac.compare_digest(session.verifier, self.loaded):
                self.state, self.session = "session", session
            elif session and session.is_recent(self.loaded):
                self.state, self.session = "superseded", session
        members = self.session.members if self.state == "session" else []
        return 200, self.state, {name: value for name, value, _ in members if name != "_session"}

    def finish(self, wish, change, user_agent):
        """Ends the request. Returns the status and the new cookie: null leaves it as it is, and an empty one removes it."""
        device = re.sub(r"[\x00-\x1f\x7f-\x9f]", "", user_agent.strip())[:200]
        if "_session" in change:
            raise Failed(500)
        if wish == "log out":
            return 200, self.log_out()
        if self.state == "session":
            return 200, self.commit(change, device, random_text(28) if wish == "renew" else "")
        if change and self.state == "superseded":
            if wish == "renew" and change.get(PRINCIPAL):
                return 200, self.commit(change, device, random_text(28))
            raise Failed(409)
        return 200, self.create(change, device) if change else None

    def create(self, change, device):
        id = random_text(48)
        session = Session(id[:20], b"{}")
        session.verifier = digest(id[20:])
        session.apply(change)
        record, missing = session.encode(device)
        if not redis("SET", session.key, record, "NX", "PX", IDLE):
            return self.create(change, device)
        try:
            if missing:
                session.add_to_index()
        except (OSError, Failed):
            redis("GETEX", session.key, "PX", 1)
            raise Failed(503)
        return id

    def commit(self, change, device, verifier):
        session, renewed, deadline = self.session, verifier and digest(verifier), time.time() + TIMEOUT
        while session and session.lifetime_end > time.time():
            if time.time() > deadline:
                raise Failed(503)
            if renewed and session.verifier == renewed:  # the reply to an earlier attempt was lost
                return session.selector + verifier
            if session.verifier != self.loaded:
                if renewed and change.get(PRINCIPAL):
                    if session.get(PRINCIPAL) != change[PRINCIPAL]:
                        return self.create(change, device)
                elif not session.is_recent(self.loaded) or change.get(PRINCIPAL):
                    raise Failed(409)
                else:
                    renewed = ""
            before = Session(session.selector, session.source)
            session.apply(change)
            session.sign_in(change)
            changes = session.members != before.members or session.lifetime_end != before.lifetime_end
            if renewed:
                session.supersede(session.verifier)
                session.verifier = renewed
            # only a record that Redis compared decides, so one that does not change is compared with itself
            record, missing = session.encode(device, bool(renewed)) if changes or renewed else (session.source, False)
            if missing:
                session.add_to_index()
            try:
                session = session.replace(record)
            except OSError:
                undo = change if change.get(PRINCIPAL) else {}
                if renewed:
                    threading.Thread(target=self.settle, args=(before, renewed, undo)).start()
                raise
            if session == 1:
                return before.selector + verifier if renewed else None
        raise Failed(409)

    def settle(self, before, renewed, change):
        """Makes the old id valid again after a renewal whose outcome is unknown."""
        deadline = time.time() + GRACE
        while time.time() < deadline:
            time.sleep(0.1)
            try:
                source = redis("GET", before.key)
                session = Session(before.selector, source) if source is not None else None
                if not session or session.verifier not in (before.verifier, renewed):
                    return
                if session.verifier == renewed:
                    session.verifier = before.verifier
                    session.superseded = [old for old in session.superseded if old[0] != before.verifier]
                    session.apply({name: before.get(name) for name, left in change.items() if session.get(name) == left})
                    session.lifetime_end = before.lifetime_end if change else session.lifetime_end
                session.supersede(renewed)
                record, missing = session.encode()
                if missing:
                    session.add_to_index()
                if session.replace(record) in (0, 1):
                    return
            except (OSError, Failed):
                pass

    def log_out(self):
        while session := self.session:
            self.session = session.replace()
            if self.session in (0, 1):
                self.session = None
                if session.index():
                    redis("ZREM", session.index(), session.selector)
        return ""


if __name__ == "__main__":
    client = Client()
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        try:
            result = getattr(client, method)(*arguments)
        except Failed as failed:
            result = failed.args[0], None
        except OSError:
            result = 503, None
        print(json.dumps(result), flush=True)
