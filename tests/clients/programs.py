"""Runs the programs of clients/ as a user does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from types import TracebackType
from typing import Any

import psutil
from typing_extensions import Self

from tests.clients.runtimes import CLIENTS, THIS, Runtime, bare_environment
from tests.waiting import wait_until

__all__ = ["CLIENTS", "Running", "run"]

END_TIMEOUT = 60.0
"""Seconds for a program to end by itself."""


def environment(runtime: Runtime) -> dict[str, str]:
    """The environment of a program; `COLUMNS` fixes the width of its help."""
    inherited = bare_environment()
    if runtime is THIS:  # with the variables that enable coverage
        inherited = {name: os.environ[name] for name in os.environ if name[:6] != "ZINFO_"}
    return {**inherited, "COLUMNS": "100", **runtime.environ}


def run(
    program: str,
    *arguments: str,
    environ: dict[str, str] | None = None,
    runtime: Runtime = THIS,
) -> subprocess.CompletedProcess[str]:
    """Run a program until it ends."""
    return subprocess.run(
        runtime.line(program, *arguments),
        env={**environment(runtime), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT,
        check=False,
    )


class Running:
    """A program that runs until it is stopped.

    Args:
        program: Name of the file, or "query" or "stream".
        arguments: Its arguments.
        runtime: What runs it.
    """

    def __init__(self, program: str, *arguments: str, runtime: Runtime = THIS) -> None:
        self._process = subprocess.Popen(
            runtime.line(program, *arguments),
            env=environment(runtime),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def line(self) -> str:
        """Wait for the next line that it prints; only the time limit of the test ends the wait."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the program ended: {self.end()}"
        return line.rstrip("\n")

    def json(self) -> dict[str, Any]:
        """The next line, decoded from JSON."""
        value = json.loads(self.line())
        assert isinstance(value, dict)
        return value

    def until(self, **wanted: object) -> dict[str, Any]:
        """Skip to the next line that has these values."""
        while True:
            value = self.json()
            if wanted.items() <= value.items():
                return value

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl-C does, while the program waits for something.

        Python raises KeyboardInterrupt between two steps of a program: a signal that arrives in the
        last moment before a long poll is only noticed when the poll ends.
        """
        process, switches = psutil.Process(self._process.pid), -1

        def sleeps() -> bool:
            nonlocal switches
            before, switches = switches, process.num_ctx_switches().voluntary
            return switches == before and process.status() == psutil.STATUS_SLEEPING

        wait_until(sleeps, END_TIMEOUT, "the program to wait")
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait for its end; returns exit code and stderr."""
        _, stderr = self._process.communicate(timeout=END_TIMEOUT)
        return self._process.returncode, stderr
