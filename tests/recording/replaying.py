"""Runs `zinfo record` and `zinfo replay` as subprocesses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.running import Following
from tests.daemons import RunningDaemon

SMALL_BLOCKS = "import zinfo.recording.writer; zinfo.recording.writer.BLOCK_SECONDS = 0.2"
"""Makes a recorder write what it has received soon, so that the tests see it."""


class Running(Following):
    """`zinfo COMMAND FILE --json`, with its output in a directory beside FILE.

    Args:
        command: record or replay.
        file: the recording.
        arguments: more of them.
        daemon: the daemon that is recorded.
        before: Python code that its process runs first.
    """

    def __init__(
        self,
        command: str,
        file: Path,
        *arguments: str,
        daemon: RunningDaemon | None = None,
        before: str = "",
    ) -> None:
        directory = file.with_suffix(f".{command}")
        directory.mkdir(exist_ok=True)
        words = (command, str(file), "--json", *arguments)
        super().__init__(directory, *words, daemon=daemon, before=before)

    @property
    def said(self) -> list[dict[str, Any]]:
        """The objects that it has printed so far."""
        return [json.loads(line) for line in self.lines]

    def wait_reported(self, what: str) -> dict[str, Any]:
        """Wait until a replay prints "ready", "end" or the like, and return that object."""
        reported: dict[str, Any] = json.loads(self.wait_for(f'"replay": "{what}"'))
        return reported
