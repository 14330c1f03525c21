"""Every test belongs to a suite that `tox` runs, and every name in a suite exists."""

from __future__ import annotations

import subprocess
import sys

from tests import suites
from tests.daemons import ROOT
from tests.suites import SUITES, TESTS

FILES = [path for path in sorted(TESTS.rglob("test_*.py")) if "gevent_side" not in path.parts]


def test_every_file_is_in_the_suite_of_newest_or_of_processes_or_runs_alone() -> None:
    assert len(FILES) > 150
    lost = [
        str(path)
        for path in FILES
        if not (SUITES["newest"].has(path) or SUITES["processes"].has(path))
        and path.name not in suites.ALONE
    ]
    assert lost == []


def test_every_name_in_a_suite_exists() -> None:
    groups = (
        suites.PROCESSES,
        suites.PYTHON_FREE,
        suites.MEASURED,
        suites.WITHOUT_SERVERS,
        suites.FIRST,
    )
    missing = [name for group in groups for name in group if not (TESTS / name).exists()]
    assert missing == []


def test_pytest_collects_the_files_of_a_suite_only() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "--suite=quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    collected = {ROOT / line.partition(":")[0] for line in done.stdout.splitlines() if ": " in line}
    assert collected == {path for path in FILES if SUITES["quick"].has(path)}
