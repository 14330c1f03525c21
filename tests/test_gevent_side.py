"""The tests in gevent_side pass, in processes that gevent has patched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemons import ROOT

FILES = sorted((Path(__file__).parent / "gevent_side").glob("test_*.py"))
PARTS = 4
"""Number of processes: each needs a second to start, but they run beside other tests."""


@pytest.mark.parametrize("part", range(PARTS))
def test_in_a_patched_process(part: int) -> None:
    command = [sys.executable, "-m", "gevent.monkey", "--module", "pytest", "-q"]
    files = [str(path) for path in FILES[part::PARTS]]
    done = subprocess.run(
        [*command, *files], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
