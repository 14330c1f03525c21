"""Runs `zinfo demo` as a person would, and finds whatever it leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

import psutil
from typing_extensions import Self

from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent.parent

MARK = "DEMO_TEST_MARK"
"""A variable of the environment that all processes of one demo have, and no others."""

GONE_SECONDS = 60.0
"""How long a demo may take to be gone, on a machine that is busy."""


class RunningDemo:
    """One `python -m zinfo demo` in a process of its own, with its output in a file.

    Args:
        directory: an empty one, for its output and its temporary files.
        arguments: of the command.
        environ: added to the environment.
        prefix: the words before `-m zinfo demo`.
        terminal: file descriptor of a terminal, to be used instead of the file.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (sys.executable,),
        terminal: int | None = None,
    ) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self.mark = uuid.uuid4().hex
        self._output = directory / "output"
        self._errors = directory / "errors"
        environ = {**os.environ, **(environ or {}), MARK: self.mark, "TMPDIR": str(self.temporary)}
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*prefix, "-m", "zinfo", "demo", *arguments],
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=output if terminal is None else terminal,
                stderr=errors,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text()

    @property
    def errors(self) -> str:
        """What it has printed on standard error so far."""
        return self._errors.read_text()

    def wait_for(self, *texts: str, timeout: float = 60.0) -> None:
        """Wait until all of these texts have been printed."""

        def printed() -> bool:
            assert self.process.poll() is None or all(text in self.output for text in texts), (
                f"ended with {self.process.returncode}: {self.output}{self.errors}"
            )
            return all(text in self.output for text in texts)

        wait_until(printed, timeout, f"{texts} in the demo's output")

    def end(self, number: signal.Signals | None = None) -> int:
        """Send it a signal, if any; wait for its end; return its exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(GONE_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """Return every living process of this demo, wherever it is in the tree."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                # A server writes its title over its environment; but it runs in the directory.
                ours = process.environ().get(MARK) == self.mark
                if ours or process.cwd().startswith(str(self.temporary)):
                    found.append(process)
        return found

    def child(self, words: str) -> psutil.Process:
        """Return the process of this demo whose command line has these words."""
        (found,) = [process for process in self.processes() if words in _command(process)]
        return found

    def assert_nothing_left(self) -> None:
        """Wait until no process and no file of it is left."""
        wait_for_processes(lambda: not self.left(), "nothing to be left")

    def left(self) -> list[str]:
        """Return the command lines and paths of what is there still."""
        return [
            *map(_command, self.processes()),
            *map(str, self.temporary.rglob("*")),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.wait()


def wait_for_processes(predicate: Callable[[], object], what: str) -> None:
    """Wait for a condition that looks at each process of the machine, not too often."""
    wait_until(predicate, GONE_SECONDS, what, sleep=lambda _: time.sleep(0.1))


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def rows(output: str) -> Iterator[list[str]]:
    """Yield the words of each line about a shard's INFO."""
    for line in output.splitlines():
        if " ops/s " in line:
            yield line.split()
