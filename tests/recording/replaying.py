"""Runs `zinfo record` and `zinfo replay` as people would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from tests.cli.running import TIMEOUT, environment, press_ctrl_c
from tests.daemons import ROOT, RunningDaemon
from tests.waiting import wait_until


class Running:
    """`zinfo COMMAND FILE --json`, with its output in a file beside FILE.

    Args:
        command: record or replay.
        file: the recording.
        arguments: more of them.
        daemon: the daemon that is recorded.
    """

    def __init__(
        self, command: str, file: Path, *arguments: str, daemon: RunningDaemon | None = None
    ) -> None:
        self._output = file.with_suffix(f".{command}.output")
        self._errors = file.with_suffix(f".{command}.errors")
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "zinfo", command, str(file), "--json", *arguments],
                cwd=ROOT,
                env=environment(daemon),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )

    @property
    def said(self) -> list[dict[str, Any]]:
        """The objects that it has printed so far."""
        return [json.loads(line) for line in self._output.read_text().splitlines()]

    @property
    def errors(self) -> str:
        """What it has printed on standard error so far."""
        return self._errors.read_text()

    def wait_for(self, what: str, timeout: float = TIMEOUT) -> dict[str, Any]:
        """Wait until a replay says "ready", "end" or the like, and return that."""

        def look() -> dict[str, Any] | None:
            found = next((one for one in self.said if one.get("replay") == what), None)
            assert found or self.process.poll() is None, f"it ended: {self.said} {self.errors}"
            return found

        found = wait_until(look, timeout, what)
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
