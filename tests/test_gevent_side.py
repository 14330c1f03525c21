"""The tests in gevent_side pass, in processes that gevent has patched."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TypeAlias

import pytest

from tests.daemons import ROOT

Part: TypeAlias = tuple["subprocess.Popen[str]", IO[str]]
"""A process and its output."""

FILES = sorted((Path(__file__).parent / "gevent_side").glob("test_*.py"))
PARTS = 4
"""Number of processes: each needs a second to start, but they run at the same time."""


@pytest.fixture(scope="module")
def parts() -> Iterator[list[Part]]:
    """The processes, each with a part of the files."""
    command = [sys.executable, "-m", "gevent.monkey", "--module", "pytest", "-q"]
    with contextlib.ExitStack() as stack:
        found: list[Part] = []
        for number in range(PARTS):
            output = stack.enter_context(tempfile.TemporaryFile("w+"))
            files = [str(path) for path in FILES[number::PARTS]]
            process = subprocess.Popen(
                [*command, *files], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, text=True
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            found.append((process, output))
        yield found


@pytest.mark.parametrize("number", range(PARTS))
def test_in_a_patched_process(parts: list[Part], number: int) -> None:
    process, output = parts[number]
    code = process.wait(280)
    output.seek(0)
    text = output.read()
    assert code == 0, text
    assert " passed" in text
