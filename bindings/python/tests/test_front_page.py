"""The code of the repository's front page is a program."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from flask import Flask

FRONT_PAGE = Path(__file__).parents[3] / "README.md"


def test_front_page_shows_a_program_with_flask(tmp_path: Path) -> None:
    codes = re.findall("```python\n(.*?)```", FRONT_PAGE.read_text(), re.DOTALL)
    assert len(codes) == 1
    file = tmp_path / "app.py"
    file.write_text(codes[0])
    app: Flask = runpy.run_path(str(file))["app"]
    assert app.test_client().get("/").text == "hello "
