"""What `zinfo record` prints: the progress, and what was recorded."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from zinfo.cli.output import echo_json, note
from zinfo.cli.text import printable
from zinfo.errors import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

    from zinfo.recording import Recorder, RecordingWriter

_PROGRESS_SECONDS = 0.5  # between two updates of the progress


def check_size(file: str, recorder: Recorder, writer: RecordingWriter) -> None:
    """Check that a recording that ended because of its size has a content.

    Args:
        file: the recording.
        recorder: it has ended.
        writer: it is closed.

    Raises:
        RecordingError: not even the initial state of all shards was recorded.
    """
    if recorder.ended == "max-size" and not _has_content(writer.path):
        raise RecordingError(
            f"{file}: --max-size is too small for the initial state of {recorder.shards} shards, "
            f"which takes {writer.needed} bytes or more"
        )


def _has_content(path: Path) -> bool:
    from zinfo.recording import Recording

    if not path.exists():
        return False
    with Recording(path) as recording:
        return next(iter(recording), None) is not None


def report(
    file: str,
    recorder: Recorder,
    writer: RecordingWriter,
    *,
    json: bool,
    origin: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Print what was recorded.

    Args:
        file: the recording.
        recorder: it has ended.
        writer: it is closed.
        json: whether to print a JSON object.
        origin: further keys of that object: of several daemons, node and endpoint.
    """
    counts = recorder.counts
    seconds = recorder.seconds
    if json:
        echo_json(
            {
                "file": file,
                **origin,
                "seconds": round(seconds, 3),
                "size": writer.size,
                "shards": recorder.shards,
                **counts,
                "ended": recorder.ended,
            }
        )
        return
    plural = "" if recorder.shards == 1 else "s"
    why = {"seconds": "", "stopped": "", "max-size": "; it has reached --max-size"}
    click.echo(
        f"{printable(file)}: {seconds:.1f} s of {recorder.shards} shard{plural}, "
        f"{counts['messages']} messages, {counts['events']} events, {_size(writer.size)}"
        + why[recorder.ended]
    )


class Progress:
    """A progress line on a terminal; elsewhere only problems, one line each.

    Args:
        file: the recording.
        recorder: it runs.
        writer: writes the file.
        alone: whether no other recorder runs, so that there may be a progress line.
    """

    def __init__(
        self, file: str, recorder: Recorder, writer: RecordingWriter, *, alone: bool = True
    ) -> None:
        self._file = file
        self._recorder = recorder
        self._writer = writer
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._shows = alone and on_terminal and os.environ.get("TERM") != "dumb"
        self._shown_at = 0.0
        self._last = (0.0, 0, 0)  # time, messages and bytes, at the last measurement of rates
        self._problem = ""

    def show(self) -> None:
        """Update the progress, at most twice a second."""
        now = time.monotonic()
        if now - self._shown_at < _PROGRESS_SECONDS:
            return
        self._shown_at = now
        recorder = self._recorder
        problem = recorder.problem if recorder.counts["spans"] else ""
        if not self._shows:
            if problem != self._problem:
                note(f"{self._file}: {problem or 'the daemon responds again'}")
                self._problem = problem
            return
        messages, size = recorder.counts["messages"], self._writer.size
        before, old_messages, old_size = self._last
        spent = max(1e-3, now - before)
        if spent >= 2.0 or not before:
            self._last = (now, messages, size)
        rate = (messages - old_messages) / spent if before else 0.0
        line = (
            f"{recorder.seconds:8.0f} s  {recorder.shards} shards  {messages} messages "
            f"({rate:.0f}/s)  {_size(size)} (+{_size(size - old_size)})"
        )
        if problem:
            line += f"  {printable(problem)}"
        click.echo(f"\r\x1b[K{line[: _columns()]}", nl=False, err=True)

    def end(self) -> None:
        """Clear the line."""
        if self._shows and self._shown_at:
            click.echo("\r\x1b[K", nl=False, err=True)


def _columns() -> int:
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return (columns or 80) - 1  # some terminals report no width


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
