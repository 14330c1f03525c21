"""`zinfo record`: writes what a daemon publishes to a file."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import INTERRUPTED, examples
from zinfo.cli.client_options import DEFAULT_TIMEOUT, Daemon, client_options
from zinfo.cli.labels import label_option
from zinfo.cli.output import echo_json, note
from zinfo.cli.text import printable
from zinfo.errors import RecordingError

if TYPE_CHECKING:
    from pathlib import Path

    from zinfo.recording import Recorder, RecordingWriter

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MIN_SIZE = 4096  # bytes; no recording is smaller
_PROGRESS_SECONDS = 0.5  # between two updates of the progress


class _Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer click
    """A number of bytes, such as 500M."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value).strip())
        if not found:
            self.fail(f"{value!r} is not a size such as 500M or 2G", param, ctx)
        size = int(float(found[1]) * _UNITS[found[2].lower()])
        if size < _MIN_SIZE:
            self.fail(f"{value!r} is too small for a recording", param, ctx)
        return size


@click.command(
    epilog=examples(
        "zinfo record incident.zrec",
        "zinfo record incident.zrec --seconds 600 --max-size 500M",
        "zinfo record db-1.zrec --shard db-1:6379",
        "zinfo replay incident.zrec --speed 10       publish it again",
    )
)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.option(
    "--seconds",
    metavar="SECONDS",
    type=click.FloatRange(0, min_open=True),
    help="How long to record. [default: until Ctrl-C]",
)
@click.option(
    "--shard", "shards", metavar="SHARD", multiple=True, help="Only this shard. Repeatable."
)
@label_option("Only the shards that have this label when the recording starts.")
@click.option(
    "--max-size",
    metavar="SIZE",
    type=_Size(),
    help="Stop before FILE exceeds this size: 500M, 2G. It must have room for the initial state of "
    "all shards. [default: no limit]",
)
@client_options
def record(
    daemon: Daemon,
    file: str,
    seconds: float | None,
    shards: tuple[str, ...],
    labels: Mapping[str, str],
    max_size: int | None,
) -> None:
    """Write what a daemon publishes to FILE, until Ctrl-C.

    A recording starts with the state of all shards, followed by each change and event with its
    time. Lost messages, a daemon that does not respond and its restart are recorded as such,
    followed by the state of all shards again. `zinfo replay FILE` publishes a recording.

    If FILE is a recording already, the new one is appended to it. After a crash or on a full disk,
    at most the last five seconds are lost. FILE has mode 0600, because INFO may be confidential. It
    contains only what the client's key may see.

    With --json, one object at the end: file, seconds, size, shards, spans (segments), messages,
    deltas, events, gaps, stales, restarts, and ended: seconds, max-size or stopped.

    Exit codes: 0 recorded; 1 an error, after which everything recorded before is intact; 130 ended
    before anything was recorded.
    """
    from zinfo.recording import Recorder, RecordingWriter
    from zinfo.recording.recorder import MAX_SHARDS

    if labels:
        shards = _labelled(daemon, shards, labels)
    if len(set(shards)) > MAX_SHARDS:
        raise click.UsageError(
            f"--shard and --label: at most {MAX_SHARDS} shards; without them, all are recorded"
        )
    signals: list[int] = []
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # before there is a file that an interrupt would leave behind
        signal.signal(number, lambda number, _frame: signals.append(number))
    with RecordingWriter(file, max_size=max_size) as writer:
        if writer.truncated:
            note(f"{file}: {writer.truncated} bytes of an incomplete block were removed")
        recorder = Recorder(daemon.endpoint, writer, shards=set(shards), keys=daemon.keys)
        progress = _Progress(file, recorder, writer)

        def on_progress() -> None:
            if signals:
                recorder.stop()
            progress.show()

        try:
            recorder.run(daemon.timeout or DEFAULT_TIMEOUT, seconds, on_progress)
        finally:
            progress.end()
    if recorder.ended == "max-size" and not _has_content(writer.path):
        raise RecordingError(
            f"{file}: --max-size is too small for the initial state of {recorder.shards} shards, "
            f"which takes {writer.needed} bytes or more"
        )
    if not recorder.counts["spans"] and recorder.ended != "max-size":
        click.get_current_context().exit(INTERRUPTED)
    _report(file, recorder, writer, json=daemon.json)


def _labelled(
    daemon: Daemon, shards: tuple[str, ...], labels: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the ids of the shards that have the labels now, of `shards` if there are any."""
    with daemon.single_client() as client:
        found = {str(shard["id"]) for shard in client.shards(labels=labels)}
    chosen = tuple(sorted(found.intersection(shards) if shards else found))
    if not chosen:
        raise RecordingError("no shard has these labels; `zinfo shards` lists them all")
    return chosen


def _has_content(path: Path) -> bool:
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
    plural = "" if recorder.shards == 1 else "s"
    why = {"seconds": "", "stopped": "", "max-size": "; it has reached --max-size"}
    click.echo(
        f"{printable(file)}: {seconds:.1f} s of {recorder.shards} shard{plural}, "
        f"{counts['messages']} messages, {counts['events']} events, {_size(writer.size)}"
        + why[recorder.ended]
    )


class _Progress:
    """A progress line on a terminal; elsewhere only problems, one line each."""

    def __init__(self, file: str, recorder: Recorder, writer: RecordingWriter) -> None:
        self._file = file
        self._recorder = recorder
        self._writer = writer
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._shows = on_terminal and os.environ.get("TERM") != "dumb"
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
