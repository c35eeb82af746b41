"""An application in the style of Flask's tutorial moves by the change in docs/python.md, and by nothing else."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from flask import Flask

HERE = Path(__file__).parent


def moved(original: str) -> str:
    """Apply the change in docs/python.md."""
    page = (HERE / "../../../docs/python.md").resolve().read_text()
    changes = re.findall("```diff\n(.*?)\n```", page, re.DOTALL)
    assert len(changes) == 1
    lines = changes[0].split("\n")
    before, after = ("\n".join(line[1:] for line in lines if line[0] != sign) for sign in "+-")
    assert original.count(before) == 1
    return original.replace(before, after)


@pytest.mark.parametrize("is_moved", [False, True], ids=["original", "moved"])
def test_an_application_moves_by_two_lines(
    redis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_moved: bool
) -> None:
    monkeypatch.setenv("SESSION_STORE", redis)
    original = (HERE / "tutorial_app.py").read_text()
    file = tmp_path / "app.py"
    file.write_text(moved(original) if is_moved else original)
    app: Flask = runpy.run_path(str(file))["app"]
    client = app.test_client()
    anna = {"username": "anna", "password": "secret"}

    assert client.post("/auth/register", data=anna).status_code == 302
    assert client.post("/create", data={"title": "One"}, follow_redirects=True).json == {"messages": ["Sign in first."]}
    wrong = client.post("/auth/login", data=anna | {"password": "wrong"})
    assert wrong.json == {"messages": ["Incorrect password."]}
    assert client.get("/auth/login").json == {"messages": []}

    assert client.post("/auth/login", data=anna, follow_redirects=True).json == {"user": "anna", "posts": []}
    for title in ["One", "Two"]:
        client.post("/create", data={"title": title})
    assert client.get("/").json == {"user": "anna", "posts": ["One", "Two"]}

    name = "sid" if is_moved else "session"
    cookie = client.get_cookie(name)
    assert cookie
    assert client.get("/auth/logout", follow_redirects=True).json == {"user": None, "posts": []}
    client.set_cookie(name, cookie.value)
    replayed = client.get("/").json
    assert replayed is not None
    assert replayed["user"] == (None if is_moved else "anna")
