"""What a request changes is stored field by field, and nothing else is."""

from __future__ import annotations

import json
import math
import subprocess

import pytest
from shared_session import Session, SessionFailure, SessionManager, SessionTooLarge, SessionUnwritable

from .conftest import begin, create


def record(redis: str, prefix: str) -> tuple[str, str]:
    """Return the key and the text of the only record whose key begins with `prefix`."""
    cli = ["redis-cli", "-u", redis, "--raw"]
    keys = subprocess.check_output([*cli, "keys", f"{prefix}*"], text=True).split()
    keys = [key for key in keys if ":index:" not in key]
    assert len(keys) == 1, keys
    return keys[0], subprocess.check_output([*cli, "get", keys[0]], text=True).rstrip("\n")


def test_changes_at_the_same_time_are_all_kept(manager: SessionManager) -> None:
    cookie = create(manager, a=1, b=1, c=1)
    first, second = begin(manager, cookie), begin(manager, cookie)
    first["a"] = 2
    second["b"] = 2
    del second["c"]
    first.finish().wait()
    second.finish().wait()
    assert begin(manager, cookie) == {"a": 2, "b": 2}


def test_changes_inside_a_value_are_noticed(manager: SessionManager) -> None:
    cookie = create(manager, cart=[1], deep={"a": {"b": []}})
    session = begin(manager, cookie)
    session["cart"].append(2)
    session["deep"]["a"]["b"].append(None)
    session.finish().wait()
    assert begin(manager, cookie) == {"cart": [1, 2], "deep": {"a": {"b": [None]}}}


def test_values_that_python_takes_for_equal_are_different(manager: SessionManager) -> None:
    cookie = create(manager, a=1, b=True, c=1.0, d=[0])
    session = begin(manager, cookie)
    session["a"], session["b"], session["c"] = True, 1, 1
    session["d"][0] = False
    session.finish().wait()
    assert repr(dict(begin(manager, cookie))) == repr({"a": True, "b": 1, "c": 1, "d": [False]})


def test_untouched_fields_go_back_byte_for_byte(redis: str) -> None:
    manager = SessionManager(store=redis, key_prefix="bytes:")
    cookie = create(manager, a=1)
    key, text = record(redis, "bytes:")
    odd = '"f": 1.0,"e":1e400,"i":123456789012345678901234567890,"u":"\\u00e9\\/","o":{ "x" : -0.0, "x": 1E2},'
    subprocess.check_output(["redis-cli", "-u", redis, "set", key, text.replace("{", "{" + odd, 1), "keepttl"])
    session = begin(manager, cookie)
    assert session["f"] == 1.0
    assert isinstance(session["f"], float)
    assert session["e"] == math.inf
    assert session["i"] == 123456789012345678901234567890
    session["a"] = 2
    session["f"] = 1.0
    session.finish().wait()
    assert record(redis, "bytes:")[1] == text.replace("{", "{" + odd, 1).replace('"a":1', '"a":2')


def test_a_request_that_changes_nothing_writes_nothing(redis: str) -> None:
    manager = SessionManager(store=redis, key_prefix="quiet:")
    cookie = create(manager, a=[1.5, "é"])
    session = begin(manager, cookie)
    session["a"] = [1.5, "é"]
    session.modified = True
    assert not session.modified
    assert session.finish().wait().headers([], []) == [("vary", "Cookie")]


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", [object()], 1j])
def test_values_that_json_cannot_hold_are_refused_where_they_are_set(manager: SessionManager, value: object) -> None:
    session = begin(manager)
    with pytest.raises(TypeError, match="session field 'a' cannot be stored"):
        session["a"] = value
    session["a"] = []
    session["a"].append(value)
    with pytest.raises(TypeError, match="session field 'a' cannot be stored"):
        session.finish()


@pytest.mark.parametrize("value", [math.nan, -math.inf, [math.inf]])
def test_numbers_that_json_does_not_know_are_refused(manager: SessionManager, value: object) -> None:
    with pytest.raises(ValueError, match="session field 'a' cannot be stored"):
        begin(manager).update(a=value)


def test_names_are_texts(manager: SessionManager) -> None:
    with pytest.raises(TypeError, match="the name of a session field is a str, not int"):
        begin(manager)[1] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    "fields", [{"a": "\ud800"}, {"a": {"\udfff": 1}}, {"_session": {}}, {"a": json.loads("[" * 200 + "]" * 200)}]
)
def test_what_the_format_cannot_hold_fails_the_request(manager: SessionManager, fields: dict[str, object]) -> None:
    cookie = create(manager, b=1)
    session = begin(manager, cookie)
    session.update(fields)
    with pytest.raises(SessionUnwritable) as caught:
        session.finish().wait()
    assert caught.value.status == 500
    assert begin(manager, cookie) == {"b": 1}


def test_a_session_that_is_too_large_is_refused() -> None:
    manager = SessionManager(max_size=1024)
    session = begin(manager)
    session["a"] = "a" * 1024
    with pytest.raises(SessionTooLarge) as caught:
        session.finish().wait()
    assert (caught.value.status, caught.value.code) == (413, "session_full")


def test_end_begins_another_session_with_what_is_set_after_it(manager: SessionManager) -> None:
    old = create(manager, a=1, b=1)
    session = begin(manager, old)
    session.clear()
    session["a"] = 1
    session.renew()
    headers = dict(session.finish().wait().headers([], []))
    new = headers["set-cookie"].split(";")[0].encode()
    assert begin(manager, old) == {}
    assert begin(manager, new) == {"a": 1}


def test_a_change_after_the_log_out_is_refused(manager: SessionManager) -> None:
    cookie = create(manager, a=1)
    session, other = begin(manager, cookie), begin(manager, cookie)
    session.end()
    session.finish().wait()
    other["a"] = 2
    with pytest.raises(SessionFailure) as caught:
        other.finish().wait()
    assert caught.value.status == 409


def test_every_way_to_set_a_field_of_a_dict_is_a_change(manager: SessionManager) -> None:
    cookie = create(manager, gone=1, popped=1)
    session: Session = begin(manager, cookie)
    session |= {"a": 1}
    session.setdefault("b", []).append(2)
    session.update([("c", 3)], d=4)
    session.pop("popped")
    del session["gone"]
    session.finish().wait()
    assert begin(manager, cookie) == {"a": 1, "b": [2], "c": 3, "d": 4}
