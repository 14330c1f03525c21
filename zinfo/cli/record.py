"""`zinfo record`: writes what a daemon publishes to a file."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator, Mapping

import click

from zinfo.cli.app import INTERRUPTED, examples
from zinfo.cli.client_options import DEFAULT_TIMEOUT, Daemon, client_options
from zinfo.cli.completion import complete_shards
from zinfo.cli.labels import label_option
from zinfo.cli.missing import fail_if_missing, missing_of
from zinfo.cli.output import note
from zinfo.cli.record_fleet import record_fleet
from zinfo.cli.record_report import Progress, check_size, report
from zinfo.cli.unmatched import (
    fail_if_unmatched,
    note_waiting,
    unmatched_labels,
    unmatched_shards,
)
from zinfo.errors import RecordingError

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MIN_SIZE = 4096  # bytes; no recording is smaller


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
    "--shard",
    "shards",
    metavar="SHARD",
    shell_complete=complete_shards,
    multiple=True,
    help="Only this shard, which need not exist yet. Repeatable.",
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

    With several --connect, each daemon is recorded in a file of its own: if FILE is incident.zrec,
    that of the node db-1 is incident-db-1.zrec.

    With --json, one object for each file at the end: file, seconds, size, shards, spans (segments),
    messages, deltas, events, gaps, stales, restarts, and ended: seconds, max-size or stopped. With
    several --connect, also node and endpoint.

    Exit codes: 0 recorded; 1 an error, or a daemon that does not answer, after which everything
    recorded before is intact; 130 ended before anything was recorded.
    """
    from zinfo.recording import Recorder, RecordingWriter

    _check_number(shards)
    if labels or shards:
        shards = _chosen(daemon, shards, labels)
        _check_number(shards)
    # Before there is a file that an interrupt would leave behind.
    with _noted_signals() as signals:
        if daemon.is_fleet:
            record_fleet(daemon, file, seconds, shards, max_size, signals)
            return
        with RecordingWriter(file, max_size=max_size) as writer:
            if writer.truncated:
                note(f"{file}: {writer.truncated} bytes of an incomplete block were removed")
            recorder = Recorder(daemon.endpoint, writer, shard_ids=set(shards), keys=daemon.keys)
            progress = Progress(file, recorder, writer)

            def on_progress() -> None:
                if signals:
                    recorder.stop()
                progress.show()

            try:
                recorder.run(daemon.timeout or DEFAULT_TIMEOUT, seconds, on_progress)
            finally:
                progress.end()
    check_size(file, recorder, writer)
    if not recorder.counts["spans"] and recorder.ended != "max-size":
        click.get_current_context().exit(INTERRUPTED)
    report(file, recorder, writer, json=daemon.json)


def _check_number(shards: tuple[str, ...]) -> None:
    from zinfo.recording.recorder import MAX_SHARDS

    if len(set(shards)) > MAX_SHARDS:
        raise click.UsageError(
            f"--shard and --label: at most {MAX_SHARDS} shards; without them, all are recorded"
        )


def _chosen(daemon: Daemon, shards: tuple[str, ...], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ids of the shards to record, and print which of them do not exist yet.

    Raises:
        ZinfoError: no shard has the labels.
    """
    with daemon.client() as client:
        unknown = unmatched_shards(client, shards)
        if not labels:
            note_waiting(unknown.values())
            return shards
        fail_if_unmatched(unknown.values())
        found = client.shards(shards, labels)
        if not found:
            fail_if_missing(missing_of(found))
            fail_if_unmatched(unmatched_labels(client, labels, shards))
            raise RecordingError("no shard has these labels; `zinfo shards` lists them all")
    chosen = tuple(sorted(str(shard["id"]) for shard in found))
    for shard in sorted(set(shards).difference(chosen)):
        note(f"shard {shard} does not have these labels, and is not recorded")
    return chosen


@contextlib.contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Note SIGINT and SIGTERM in a list for the `with` block, instead of ending the process."""
    signals: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: signals.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
