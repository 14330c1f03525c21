"""`zinfo record`: what a daemon publishes, into a file."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import INTERRUPTED, examples
from zinfo.cli.client_options import DEFAULT_TIMEOUT, Daemon, asks_daemon
from zinfo.cli.output import echo_json, note
from zinfo.cli.text import printable
from zinfo.errors import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

    from zinfo.recording import Recorder, RecordingWriter

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SMALLEST = 4096  # bytes; less holds no recording
_TELL_SECONDS = 0.5  # between two lines of progress


class _Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer click
    """Bytes, such as 500M."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value).strip())
        if not found:
            self.fail(f"{value!r} is no size; expected one like 500M or 2G", param, ctx)
        size = int(float(found[1]) * _UNITS[found[2].lower()])
        if size < _SMALLEST:
            self.fail(f"{value!r} is too small to hold a recording", param, ctx)
        return size


@click.command(
    epilog=examples(
        "zinfo record incident.zrec",
        "zinfo record incident.zrec --seconds 600 --max-size 500M",
        "zinfo record db-1.zrec --shard db-1:6379",
        "zinfo replay incident.zrec --speed 10       see it again",
    )
)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="How long to record. [default: until Ctrl-C]",
)
@click.option(
    "--shard", "shards", metavar="SHARD", multiple=True, help="Only this shard. Repeatable."
)
@click.option(
    "--max-size",
    metavar="SIZE",
    type=_Size(),
    help="End before FILE grows over this: 500M, 2G. All shards as they are come first, and must "
    "have room in it. [default: no bound]",
)
@asks_daemon
def record(
    daemon: Daemon,
    file: str,
    seconds: float | None,
    shards: tuple[str, ...],
    max_size: int | None,
) -> None:
    """Write what a daemon publishes into FILE, until Ctrl-C.

    A recording begins with all shards as they are, and has each change and event from then on, with
    its time. Messages that were lost, a daemon that fell silent or was started again stand in it as
    what they were, and all shards follow once more. `zinfo replay FILE` publishes it again.

    Where FILE is a recording already, it is gone on with: also after this was killed, or the disk
    was full. What is written is whole but for the last five seconds. FILE has mode 0600: INFO may
    hold what is not for everybody. It has what your key may see, and no more.

    With --json, one object at the end: file, seconds, size, shards, spans, messages, deltas,
    events, gaps, stales, restarts, and ended: seconds, max-size or stopped.

    Exit codes: 0 recorded; 1 it could not, or no more: what was recorded before is whole; 130 ended
    before anything was recorded.
    """
    from zinfo.recording import Recorder, RecordingWriter
    from zinfo.recording.recorder import MAX_SHARDS

    if len(set(shards)) > MAX_SHARDS:
        raise click.UsageError(f"--shard: at most {MAX_SHARDS}; without it all are recorded")
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):  # before there is a file that would be left over
        signal.signal(number, lambda number, _frame: signals.append(number))
    with RecordingWriter(file, max_size=max_size) as writer:
        if writer.truncated:
            note(f"{file}: {writer.truncated} bytes of a block that was not finished are cut off")
        recorder = Recorder(daemon.endpoint, writer, shards=set(shards), keys=daemon.keys)
        progress = _Progress(file, recorder, writer)

        def look() -> None:
            if signals:
                recorder.stop()
            progress.tell()

        try:
            recorder.run(daemon.timeout or DEFAULT_TIMEOUT, seconds, look)
        finally:
            progress.end()
    if recorder.ended == "max-size" and not _holds_something(writer.path):
        raise RecordingError(
            f"{file}: --max-size is too small for the {recorder.shards} shards as they are: "
            f"these alone need {writer.needed} bytes or more"
        )
    if not recorder.counts["spans"] and recorder.ended != "max-size":
        click.get_current_context().exit(INTERRUPTED)
    _report(file, recorder, writer, json=daemon.json)


def _holds_something(path: Path) -> bool:
    from zinfo.recording import Recording

    if not path.exists():
        return False
    with Recording(path) as recording:
        return next(iter(recording), None) is not None


def _report(file: str, recorder: Recorder, writer: RecordingWriter, *, json: bool) -> None:
    counts = recorder.counts
    seconds = recorder.seconds
    if json:
        echo_json(
            {
                "file": file,
                "seconds": round(seconds, 3),
                "size": writer.size,
                "shards": recorder.shards,
                **counts,
                "ended": recorder.ended,
            }
        )
        return
    why = {"seconds": "", "stopped": "", "max-size": "; it has the size that it may have"}
    click.echo(
        f"{printable(file)}: {seconds:.1f} s of {recorder.shards} shards, "
        f"{counts['messages']} messages, {counts['events']} events, {_size(writer.size)}"
        + why[recorder.ended]
    )


class _Progress:
    """A line on a terminal that is written over and over; nothing elsewhere."""

    def __init__(self, file: str, recorder: Recorder, writer: RecordingWriter) -> None:
        self._file = file
        self._recorder = recorder
        self._writer = writer
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._shows = on_terminal and os.environ.get("TERM") != "dumb"
        self._told_at = 0.0
        self._told = (0.0, 0, 0)  # time, messages and bytes, when it was told last
        self._problem = ""

    def tell(self) -> None:
        """Show how it goes, where it is time to."""
        now = time.monotonic()
        if now - self._told_at < _TELL_SECONDS:
            return
        self._told_at = now
        recorder = self._recorder
        problem = recorder.problem if recorder.counts["spans"] else ""
        if not self._shows:
            if problem != self._problem:
                note(f"{self._file}: {problem or 'the daemon is heard again'}")
                self._problem = problem
            return
        messages, size = recorder.counts["messages"], self._writer.size
        before, old_messages, old_size = self._told
        spent = max(1e-3, now - before)
        if spent >= 2.0 or not before:
            self._told = (now, messages, size)
        rate = (messages - old_messages) / spent if before else 0.0
        line = (
            f"{recorder.seconds:8.0f} s  {recorder.shards} shards  {messages} messages "
            f"({rate:.0f}/s)  {_size(size)} (+{_size(size - old_size)})"
        )
        if problem:
            line += f"  {printable(problem)}"
        click.echo(f"\r\x1b[K{line[: _columns()]}", nl=False, err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._shows and self._told_at:
            click.echo("\r\x1b[K", nl=False, err=True)


def _columns() -> int:
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return (columns or 80) - 1  # a terminal may not know how wide it is


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
