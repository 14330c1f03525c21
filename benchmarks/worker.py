"""Child processes of a benchmark: each lives for the whole run, and works on command.

A command is a JSON line on the child's stdin, its result a JSON line on the child's stdout.
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

_EXIT_TIMEOUT = 10.0  # seconds after stdin is closed, before the process is killed


class WorkerError(Exception):
    """A worker process ended before it sent a result."""


class Worker:
    """A child process; entering starts it, leaving ends it.

    Args:
        module: Its program, in `benchmarks.workers`.
        gevent: Whether gevent patches it before anything else.
        cores: Cores that it may run on.
        **options: Arguments of its `start` command, whose result is in `started`.
    """

    def __init__(
        self, module: str, *, gevent: bool = True, cores: Cores = Cores.OTHERS, **options: Any
    ) -> None:
        self.name = module
        self.started: dict[str, Any] = {}
        self._options = options
        self._cores = cores
        patch = ["gevent.monkey", "--module"] if gevent else []
        self._command = [sys.executable, "-m", *patch, f"benchmarks.workers.{module}"]
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
            self.started = self.call("start", **self._options)
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

    def call(self, command: str, /, **arguments: Any) -> dict[str, Any]:
        """Send a command and return its result.

        Raises:
            WorkerError: The process ended; its stderr, which is inherited, says why.
        """
        self.send(command, **arguments)
        return self.wait()

    def send(self, command: str, /, **arguments: Any) -> None:
        """Send a command without waiting; `wait` returns the result."""
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            line = json.dumps({"command": command, **arguments}).encode() + b"\n"
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerError(f"{self.name} ended") from error

    def cpu(self) -> float:
        """Return the seconds of CPU time that it has used so far."""
        return float(self.call("cost")["cpu"])

    def wait(self) -> dict[str, Any]:
        """Return the result of the command that was sent last.

        Raises:
            WorkerError: The process ended.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"{self.name} ended with {self._process.wait(_EXIT_TIMEOUT)}")
        result: dict[str, Any] = json.loads(line)["result"] or {}
        return result

    def _end(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def start_measured(
    stack: contextlib.ExitStack, module: str, urls: list[str], shards: int, interval: float
) -> Worker:
    """Start a process that polls, on the core for what is measured.

    Args:
        stack: Ends it.
        module: Its program, in `benchmarks.workers`.
        urls: URLs of the servers.
        shards: Number of shards.
        interval: Seconds between two polls of a shard.
    """
    return stack.enter_context(
        Worker(module, cores=Cores.MEASURED, urls=urls, shards=shards, interval=interval)
    )
