"""Running the programs of clients/ as a user does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from types import TracebackType
from typing import Any

from typing_extensions import Self

from tests.clients.runtimes import CLIENTS, THIS, Runtime, bare_environment

__all__ = ["CLIENTS", "Running", "run"]

END_TIMEOUT = 30.0
"""Seconds for a program that ends by itself."""


def environment(runtime: Runtime) -> dict[str, str]:
    """The environment of a program; the help is as wide as the terminal."""
    inherited = bare_environment()
    if runtime is THIS:  # what measures coverage is in there
        inherited = {name: os.environ[name] for name in os.environ if name[:6] != "ZINFO_"}
    return {**inherited, "COLUMNS": "100", **runtime.environ}


def run(
    program: str,
    *arguments: str,
    environ: dict[str, str] | None = None,
    runtime: Runtime = THIS,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        runtime.line(program, *arguments),
        env={**environment(runtime), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT,
        check=False,
    )


class Running:
    """A program that goes on until it is told to end.

    Args:
        program: Name of the file, or what it does.
        arguments: Its arguments.
        runtime: What it is run by.
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
        """The next line that it prints; waits for it (pytest's limit ends the wait)."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the program ended: {self.end()}"
        return line.rstrip("\n")

    def json(self) -> dict[str, Any]:
        """The next line, as the object that it holds."""
        value = json.loads(self.line())
        assert isinstance(value, dict)
        return value

    def until(self, **wanted: object) -> dict[str, Any]:
        """The next line whose object has these values."""
        while True:
            value = self.json()
            if wanted.items() <= value.items():
                return value

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait for its end; gives exit code and what it said on stderr."""
        _, said = self._process.communicate(timeout=END_TIMEOUT)
        return self._process.returncode, said
