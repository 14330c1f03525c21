"""One side of a comparison: a process that lives for the whole run and works when it is its turn.

It is told what to do by a JSON line on its stdin and answers by one on its stdout.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from benchmarks.cores import Cores

ROOT = Path(__file__).parents[1]

_END_SECONDS = 10.0  # for a side to end by itself


class SideError(Exception):
    """A side ended, or answered with nothing that can be read."""


class Side:
    """A child process; entering starts it, leaving ends it.

    Args:
        module: its program, in `benchmarks.sides`.
        gevent: whether gevent patches it before anything else.
        cores: where it may run.
        **options: told to it at once, in a `start` command; the answer is in `started`.
    """

    def __init__(
        self, module: str, *, gevent: bool = True, cores: Cores = Cores.OTHERS, **options: Any
    ) -> None:
        self.name = module
        self.started: dict[str, Any] = {}
        self._options = options
        self._cores = cores
        patch = ["gevent.monkey", "--module"] if gevent else []
        self._command = [sys.executable, "-m", *patch, f"benchmarks.sides.{module}"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        try:
            self._cores.hold(self.pid)
            self.started = self.do("start", **self._options)
        except BaseException:
            self._process.kill()
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def do(self, what: str, /, **arguments: Any) -> dict[str, Any]:
        """Have it do something, and return its answer when that is done.

        Raises:
            SideError: it ended instead; its stderr, which is ours, says why.
        """
        self.tell(what, **arguments)
        return self.wait()

    def tell(self, what: str, /, **arguments: Any) -> None:
        """Have it do something, and go on; `wait` gives the answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise SideError(f"{self.name} ended") from error

    def cpu(self) -> float:
        """Return the seconds of CPU time that it has used so far."""
        return float(self.do("cost")["cpu"])

    def wait(self) -> dict[str, Any]:
        """Return the answer to what it was told.

        Raises:
            SideError: it ended instead.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SideError(f"{self.name} ended with {self._process.wait(_END_SECONDS)}")
        answered: dict[str, Any] = json.loads(line)["answer"] or {}
        return answered

    def _end(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
