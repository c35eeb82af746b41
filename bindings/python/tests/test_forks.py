"""Forks and exits neither hang nor crash, with every Python at hand: `PYTHONS` has their paths."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shared_session

PYTHONS = os.environ.get("PYTHONS", sys.executable).split()
SCENARIOS = {
    "fork_during_calls": 40,
    "fork_with_cache": 20,
    "fork_in_a_fork": 20,
    "fork_and_log_out": 10,
    "sign_in_in_a_child": 6,
    "renewal_is_settled_in_a_child": 10,
    "inherited_objects_are_dropped": 20,
    "multiprocessing_works": 2,
    "exit_in_flight": 20,
    "interrupt": 3,
}


def run(scenario: str, url: str, count: int, python: str = sys.executable, **environment: str) -> None:
    """Run a scenario in a process of its own, which must end well."""
    script = Path(__file__).with_name("forks.py")
    command = [python, "-W", "ignore::DeprecationWarning", str(script), scenario, url, str(count)]
    options: Any = {"capture_output": True, "text": True, "timeout": 300, "check": False}
    ended = subprocess.run(command, env=os.environ | environment, **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("python", PYTHONS, ids=lambda python: Path(python).parents[1].name)
def test_forks_and_exits_neither_hang_nor_crash(redis: str, tmp_path: Path, python: str, scenario: str) -> None:
    # another Python sees this package, and nothing else of this one's
    (tmp_path / "shared_session").symlink_to(Path(shared_session.__file__).parent)
    run(scenario, redis, SCENARIOS[scenario], python, PYTHONPATH=str(tmp_path))
