"""Runs the command line: in this process where possible, else as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from click.testing import CliRunner, Result
from typing_extensions import Self

from tests.daemons import ROOT, RunningDaemon
from tests.waiting import wait_until
from zinfo.cli.app import cli

TIMEOUT = 60.0
"""Seconds for one command to do its work and end."""

QUICK = {
    "ZINFO_POLL_MIN_INTERVAL": "0.05",
    "ZINFO_POLL_MAX_INTERVAL": "0.1",
    "ZINFO_BUS_HEARTBEAT": "0.5",
}
"""Environment of a daemon that tests need not wait for; it is silent after 1.5 seconds, so that a
busy machine does not make it so."""


def environment(daemon: RunningDaemon | None = None, **more: str) -> dict[str, str]:
    """The environment of a command: this process's, less what is the user's own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ZINFO_")}
    environ |= {"NO_COLOR": "", "TERM": "xterm"}
    if daemon is not None:
        environ["ZINFO_CONNECT"] = daemon.query
    return environ | more


def invoke(*arguments: str, daemon: RunningDaemon | None = None) -> Result:
    """Run a command within this process."""
    return CliRunner().invoke(
        cli,
        list(arguments),
        prog_name="zinfo",
        env={"ZINFO_CONNECT": daemon.query if daemon else None},
        catch_exceptions=False,
    )


def zinfo(
    *arguments: str, daemon: RunningDaemon | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as a process."""
    return subprocess.run(
        [sys.executable, "-m", "zinfo", *arguments],
        cwd=ROOT,
        env=environment(daemon, **(environ or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def press_ctrl_c(process: subprocess.Popen[Any]) -> int:
    """Press Ctrl-C, as people do: again where nothing happens; returns the exit code.

    A signal that comes in the very moment in which ZeroMQ starts its threads can be lost.
    """
    deadline = time.monotonic() + TIMEOUT
    while True:
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            assert time.monotonic() < deadline, "Ctrl-C does not end it"


class Following:
    """A command that goes on until Ctrl-C, with its output in files.

    Args:
        directory: an empty one, for the files.
        arguments: of the command.
        daemon: the daemon to ask.
        before: Python code that its process runs first.
    """

    def __init__(
        self, directory: Path, *arguments: str, daemon: RunningDaemon | None, before: str = ""
    ) -> None:
        program = ["-c", f"{before}; from zinfo.__main__ import main; main()"]
        self._output, self._errors = directory / "output", directory / "errors"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *(program if before else ["-m", "zinfo"]), *arguments],
                cwd=ROOT,
                env=environment(daemon),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )

    @property
    def lines(self) -> list[str]:
        """The lines that it has printed so far."""
        return self._output.read_text().splitlines()

    @property
    def errors(self) -> str:
        """What it has printed on standard error so far."""
        return self._errors.read_text()

    def wait_for(self, text: str) -> str:
        """Wait for a line that has this text, and return the first one."""

        def look() -> str | None:
            found = next((line for line in self.lines if text in line), None)
            assert found or self.process.poll() is None, f"it ended: {self.lines} {self.errors}"
            return found

        try:
            found = wait_until(look, TIMEOUT, repr(text))
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.lines} {self.errors}") from None
        assert found is not None
        return found

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit code."""
        return press_ctrl_c(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.process.poll() is None and error is None:
                assert self.interrupt() == 0, self.errors
        finally:
            self.process.kill()
            self.process.wait(TIMEOUT)


@contextmanager
def following(
    directory: Path, *arguments: str, daemon: RunningDaemon, op: str
) -> Iterator[Following]:
    """Start a command that follows the bus, and wait until it has sent the request `op`."""
    before = request_count(daemon, op)
    with Following(directory, *arguments, daemon=daemon) as command:
        wait_until(lambda: request_count(daemon, op) > before, TIMEOUT, f"the request {op}")
        yield command


def request_count(daemon: RunningDaemon, op: str) -> int:
    """The number of requests for an operation so far."""
    body = daemon.ask("stats").body
    assert isinstance(body, dict)
    count = body["query"]["requests"].get(op, 0)
    assert isinstance(count, int)
    return count
