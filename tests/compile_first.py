"""Compiles the tests of a suite, and what they import: `python -m tests.compile_first SUITE`.

In a new environment nothing is compiled. The workers of pytest-xdist start at the same time, so
each of them would compile everything itself.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.suites import SUITES, TESTS


def main(suite: str) -> None:
    """Let as many processes as there are cores collect a part of the tests each."""
    files = sorted(str(path) for path in TESTS.rglob("test_*.py") if SUITES[suite].has(path))
    cores = os.cpu_count() or 1
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:schemathesis"]
    processes = [
        subprocess.Popen(
            [*command, *files[core::cores]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # the run that follows reports every problem
        )
        for core in range(cores)
    ]
    for process in processes:
        process.wait()


if __name__ == "__main__":
    main(sys.argv[1])
