"""The package, its clients, tests, benchmarks and documentation have correct types."""

from __future__ import annotations

import subprocess
import sys

from tests.daemons import ROOT


def test_mypy_finds_no_error_for_the_oldest_python() -> None:
    command = [sys.executable, "-m", "mypy", "--python-version", "3.10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
