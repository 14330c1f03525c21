"""A program of the tests in a process of its own, which says on request what it holds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.spawning import command_prefix

ROOT = Path(__file__).parents[2]


class OtherProcess:
    """The process, from outside.

    Args:
        module: its program, which prints one line of JSON for each line on its input.
        *words: its arguments.
    """

    def __init__(self, module: str, *words: str) -> None:
        self._process = subprocess.Popen(
            [*command_prefix(), sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def look(self) -> dict[str, Any]:
        """What it says."""
        self.ask()
        return self.answer()

    def ask(self) -> None:
        """Have it say what it holds; while it is suspended, as soon as it is resumed."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What it says after `ask`."""
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline())
        assert isinstance(said, dict)
        return said

    def suspend(self) -> None:
        """Stop it as it is."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def other_process(module: str, *words: str) -> Iterator[OtherProcess]:
    """Run a program in a process of its own; it ends with the block."""
    process = OtherProcess(module, *words)
    try:
        yield process
    finally:
        process.end()
