"""Shares sessions with the services from Python: written from docs/wire-format.md, with the standard library alone.

Usage: wire_client.py PORT TIMEOUT. Each line of its input is a JSON array, a method of Client and its arguments; each line
of its output is the result. `load` begins a request, and `finish` ends it. The scripts are those of the page.

Without arguments, it checks itself against docs/wire-format-vectors.json.
"""
import base64, hashlib, hmac, json, math, re, secrets, socket, sys, threading, time
from pathlib import Path

PREFIX, PRINCIPAL, MAX_SIZE, GRACE, DAY = "session:", "userid", 256 * 1024, 30, 24 * 3600
ALPHABET, REMEMBERED = "0123456789abcdefghijklmnopqrstuvwxyz", "r"
# of an ordinary session, and of a remembered one
TTL, LIFETIME = [3600, max(3600, 30 * DAY)], [DAY, max(DAY, 90 * DAY)]
IDLE = [1000 * min(ttl, lifetime) for ttl, lifetime in zip(TTL, LIFETIME)]
MAX_DEPTH, MAX_INTEGER, VERSION = 127, 2**53 - 1, 1
DOCS = Path(__file__).parents[1].joinpath("docs")
PAGE = DOCS.joinpath("wire-format.md").read_text("utf-8")
COMPARE_AND_SET, INDEX_ADD = re.findall(r"```lua [a-z-]+\n(.*?)\n```", PAGE, re.DOTALL)
PORT, TIMEOUT = (int(sys.argv[1]), float(sys.argv[2])) if sys.argv[1:] else (0, 0.0)
now = time.time


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


def json_text(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def random_text(length):
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


class Number(str):
    """A number as it is written: a float does not hold each of them."""


class Object(list):
    """The names and values of a JSON object, in turn."""


def refuse(*_):
    raise ValueError


DECODER = json.JSONDecoder(
    parse_int=Number,
    parse_float=Number,
    parse_constant=refuse,
    object_pairs_hook=lambda pairs: Object(part for pair in pairs for part in pair),
)


def check(value, depth):
    """Refuses deep nesting, and lone surrogates, which UTF-8 cannot express."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, list):
        for part in value if depth < MAX_DEPTH else refuse():
            check(part, depth + 1)


def members(text):
    """Returns the members of a JSON object: the name, the value, and as text the name, the value, and both."""
    space, found = re.compile(r"[\s,]*"), []
    if not isinstance(DECODER.decode(text), Object):
        refuse()
    at = space.match(text, text.index("{") + 1).end()
    while text[at] != "}":
        name, end = DECODER.raw_decode(text, at)
        start = space.match(text, text.index(":", end) + 1).end()
        value, stop = DECODER.raw_decode(text, start)
        found.append((name, value, text[at:end], text[start:stop], text[at:stop]))
        at = space.match(text, stop).end()
    return found


def integer(value):
    is_exact = type(value) is Number and re.fullmatch("0|[1-9][0-9]{0,15}", value) and int(value) <= MAX_INTEGER
    return int(value) if is_exact else refuse()


def string(value):
    return value if type(value) is str else refuse()


def boolean(value):
    return value if type(value) is bool else refuse()


def user_of(value):
    """Returns the user that a value of the principal field names, if any."""
    if value.startswith('"'):
        return json.loads(value)
    return value if re.fullmatch("0|-?[1-9][0-9]{0,15}", value) and abs(int(value)) <= MAX_INTEGER else ""


def superseded(value):
    is_list = type(value) is list and all(type(entry) is list and len(entry) == 2 for entry in value)
    return [[string(old), integer(time)] for old, time in value] if is_list else refuse()


METADATA = {"version": integer, "created": integer, "signed_in": integer, "verifier": string}
METADATA |= {"superseded": superseded, "indexed": string, "device": string, "remembered": boolean}


class Session:
    """A record as it was read. Its members are names, values as JSON text, and both as they are in the record."""

    def __init__(self, selector, source):
        self.selector, self.key, self.source = selector, PREFIX + selector, source
        try:
            self.members, self.meta, self.unknown = [], {}, {}
            for name, value, _, value_text, text in members(source.decode()):
                check(name, 0)
                check(value, 0)
                self.members.append((name, value_text, text))
            metadata = self.get("_session")
            for name, value, name_text, value_text, _ in members(metadata or '{"created":%d}' % now()):
                if "\\" in name_text or name in self.meta or name in self.unknown:
                    refuse()
                if name in METADATA:
                    self.meta[name] = METADATA[name](value)
                else:
                    self.unknown[name] = value_text
            if self.meta.get("version", VERSION) != VERSION:
                refuse()
            self.superseded, self.verifier = self.meta.get("superseded", []), self.meta.get("verifier")
            self.created = self.meta["created"]
            self.start, self.remembered = self.meta.get("signed_in", self.created), self.meta.get("remembered", False)
        except (ValueError, KeyError, RecursionError):
            raise Failed(500)

    @property
    def lifetime_end(self):
        return self.start + LIFETIME[self.remembered]

    def get(self, name):
        return next((value for other, value, _ in reversed(self.members) if other == name), None)

    def apply(self, change):
        """Sets fields to JSON text, where they are or at the end. No text removes a field."""
        for name, value in change.items():
            if value != self.get(name):
                new = (name, value, f"{json_text(name)}:{value}")
                at = max((at for at, member in enumerate(self.members) if member[0] == name), default=len(self.members))
                self.members[at : at + 1] = [new]
                self.members = [member for member in self.members if member[0] != name or (value and member is new)]

    def sign_in(self, change):
        """Begins the lifetime anew if the change sets the principal field to a user, also to the same one."""
        if user_of(change.get(PRINCIPAL) or ""):
            self.start = int(now())

    def supersede(self, verifier):
        self.superseded = [[verifier, math.ceil(now())], *self.superseded]

    def is_recent(self, verifier):
        return any(old == verifier and now() < since + GRACE for old, since in self.superseded)

    def user(self):
        return user_of(self.get(PRINCIPAL) or "")

    def fields(self):
        return {name: value for name, value, _ in self.members if name != "_session"}

    def leads_to(self, loaded):
        """Returns what the id whose verifier has this digest leads to."""
        if self.lifetime_end <= now():
            return "missing"  # the record stays, because this program's clock may be wrong
        if hmac.compare_digest(self.verifier or "", loaded):
            return "session"
        return "superseded" if self.is_recent(loaded) else "missing"

    def index(self):
        return f"{PREFIX}index:{digest(self.user())}" if self.user() else None

    def encode(self, device="", renewed=False):
        """Returns the new record, and whether the index must get the session before the record is written."""
        lines = f"{self.user()}\n{self.selector}\n{self.lifetime_end}"
        entry = self.user() and base64url(hashlib.sha256(lines.encode()).digest()[:9])
        missing = entry != self.meta.get("indexed") and bool(entry)
        device = device if device and (missing or renewed) else self.meta.get("device")
        recent = [old for old in self.superseded if self.is_recent(old[0])]
        meta = {"created": self.created, "signed_in": self.start if self.start != self.created else None}
        meta |= {"verifier": self.verifier, "superseded": recent or None, "indexed": entry or None}
        meta |= {"device": device if entry else None, "remembered": self.remembered or None}
        meta = {name: json_text(value) for name, value in meta.items() if value is not None} | self.unknown
        self.apply({"_session": "{" + ",".join(f'"{name}":{value}' for name, value in meta.items()) + "}"})
        record = ("{" + ",".join(text for _, _, text in self.members) + "}").encode()
        if len(record) > max(MAX_SIZE, len(self.source)):
            raise Failed(413)
        return record, missing

    def kind(self, change, remember):
        """Returns whether a renewal with this change leaves the session remembered: only a sign-in decides about it."""
        return remember if user_of(change.get(PRINCIPAL) or "") else self.remembered

    def change(self, change, device, renewed, remembered):
        """Applies a change and a renewal. Returns the new record, and whether the index must get the session before."""
        before, start = self.members, self.start
        self.members = list(before)
        self.apply(change)
        self.sign_in(change)
        if renewed:
            self.supersede(self.verifier)
            self.verifier, self.remembered = renewed, remembered
        elif self.members == before and self.start == start:
            # only a record that Redis compared decides, so one that does not change is compared with itself
            return self.source, False
        return self.encode(device, bool(renewed))

    def add_to_index(self):
        left = min(self.lifetime_end - int(now()), LIFETIME[self.remembered])
        redis("EVAL", INDEX_ADD, 1, self.index(), self.selector, int(1000 * left))

    def replace(self, *record):
        """Replaces or deletes the record. Returns 1, 0 if there is none, or the newer session if it changed."""
        expiry = [IDLE[self.remembered]] if record else []
        reply = redis("EVAL", COMPARE_AND_SET, 1, self.key, self.source, *record, *expiry)
        return Session(self.selector, reply) if isinstance(reply, bytes) and (reply,) != record else int(reply != 0)


class Client:
    def load(self, cookie):
        """Begins a request. Returns the status, what the id leads to, and the fields with their JSON text."""
        self.state, self.session, self.loaded = "missing", None, digest(cookie[20:])
        is_valid, remembered = re.fullmatch(f"[{ALPHABET}]{{48}}{REMEMBERED}?", cookie), len(cookie) > 48
        while is_valid and (source := redis("GETEX", PREFIX + cookie[:20], "PX", IDLE[remembered])) is not None:
            session = Session(cookie[:20], source)
            if session.remembered == remembered:
                self.state = session.leads_to(self.loaded)
                self.session = session if self.state != "missing" else None
                break
            remembered = session.remembered  # the record got the time of the other kind
        return 200, self.state, self.session.fields() if self.state == "session" else {}

    def finish(self, wish, change, user_agent, remember=False):
        """Ends the request. Returns the status and the new cookie: null leaves it as it is, and an empty one removes it."""
        device = re.sub(r"[\x00-\x1f\x7f-\x9f]", "", user_agent.strip())[:200]
        if "_session" in change:
            raise Failed(500)
        if wish == "log out":
            return 200, self.log_out()
        if self.state == "session":
            return 200, self.commit(change, device, wish == "renew", remember)
        if change and self.state == "superseded":
            if wish == "renew" and change.get(PRINCIPAL):
                return 200, self.commit(change, device, True, remember)
            raise Failed(409)
        return 200, self.create(change, device, remember) if change else None

    def create(self, change, device, remember):
        id = random_text(48) + REMEMBERED * remember
        session = Session(id[:20], b"{}")
        session.verifier, session.remembered = digest(id[20:]), remember
        session.apply(change)
        record, missing = session.encode(device)
        if not redis("SET", session.key, record, "NX", "PX", IDLE[remember]):
            return self.create(change, device, remember)
        try:
            if missing:
                session.add_to_index()
        except (OSError, Failed):
            redis("GETEX", session.key, "PXAT", 1)
            raise Failed(503)
        return id

    def commit(self, change, device, renews, remember):
        session, deadline = self.session, now() + TIMEOUT
        remembered = session.kind(change, remember)
        verifier = random_text(28) + REMEMBERED * remembered if renews else ""
        renewed = verifier and digest(verifier)
        while session and session.lifetime_end > now():
            if now() > deadline:
                raise Failed(503)
            if renewed and session.verifier == renewed:  # the reply to an earlier attempt was lost
                return session.selector + verifier
            if session.verifier != self.loaded:
                if renewed and change.get(PRINCIPAL):
                    if session.get(PRINCIPAL) != change[PRINCIPAL]:
                        return self.create(change, device, remember)
                elif not session.is_recent(self.loaded) or change.get(PRINCIPAL):
                    raise Failed(409)
                else:
                    renewed = ""
            before = Session(session.selector, session.source)
            record, missing = session.change(change, device, renewed, remembered)
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
        deadline = now() + GRACE
        while now() < deadline:
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
                    session.start = before.start if change else session.start
                    session.remembered = before.remembered
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


def check_vectors():
    """Checks this program against the vectors of the page."""
    global now
    vectors = json.loads(DOCS.joinpath("wire-format-vectors.json").read_text("utf-8"))
    for vector in vectors["unreadable"]:
        try:
            Session("", base64.b64decode(vector["base64"]) if "base64" in vector else vector["record"].encode())
        except Failed:
            continue
        raise AssertionError(vector["name"])
    for vector in vectors["readable"]:
        id, at = vector.get("id", vectors["id"]), vector.get("at", vectors["at"])
        now = lambda: at / 1000
        read = lambda: Session(id[:20], vector["record"].encode())
        equal(vector, read().leads_to(digest(id[20:])), vector["leads_to"])
        equal(vector, read().fields(), vector["fields"])
        equal(vector, read().user(), vector.get("user", ""))
        if "metadata" in vector:
            equal(vector, [read().meta, read().unknown], [vector["metadata"], vector.get("unknown", {})])
        for change in vector.get("changes", []):
            at = change.get("at", vectors["at"])
            fields = change.get("set", {}) | {name: None for name in change.get("removed", [])}
            session = read()
            remembered = session.kind(fields, change.get("remembers", False))
            renewed = digest(vectors["new_verifier"] + REMEMBERED * remembered) if change.get("renews") else ""
            record, missing = session.change(fields, change.get("device", ""), renewed, remembered)
            equal(vector, record.decode(), change["record"])
            equal(vector, session.user() if missing else None, change.get("adds_to_index"))
    for value, user in vectors["principals"]:
        equal(value, Session("", b'{"userid":%s}' % value.encode()).user(), user or "")


def equal(vector, found, expected):
    assert found == expected, f"{vector}: found {found!r}"


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(check_vectors())
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
