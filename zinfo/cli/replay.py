"""`zinfo replay`: publishes a recording again."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import examples
from zinfo.cli.output import echo_json, emit, note, when
from zinfo.cli.renamed_options import RenamedOption
from zinfo.cli.text import printable

if TYPE_CHECKING:
    from zinfo.recording import Recording, Summary
    from zinfo.recording.replay import Replay

_SECONDS = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")


class _Speed(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer click
    """A factor of at least 1, or "max"."""

    name = "speed"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if value == "max":
            return math.inf
        try:
            speed = float(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is not a speed; expected a number of at least 1, or max", param, ctx
            )
        if not 1 <= speed < math.inf:
            self.fail(
                f"{value!r}: expected a number of at least 1, or max; "
                "to its clients, a daemon that is slower than recorded looks late",
                param,
                ctx,
            )
        return speed


class _Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # as above
    """A time in a recording: seconds from its start, or a datetime."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | datetime:
        if isinstance(value, (float, datetime)):
            return value
        text = str(value).strip()
        found = _SECONDS.fullmatch(text)
        if found:
            hours, minutes, seconds = (float(part or 0) for part in found.groups())
            return hours * 3600 + minutes * 60 + seconds
        try:
            moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
        except ValueError:
            self.fail(
                f"{value!r} is not a time; expected one from the start of the recording, as 90 or "
                "1:30, or one in UTC, as 2026-11-25T09:40:00Z",
                param,
                ctx,
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


@click.command(
    epilog=examples(
        "zinfo replay incident.zrec                        at the recorded speed",
        "zinfo replay incident.zrec --speed 10 --query tcp://127.0.0.1:9736",
        "zinfo replay incident.zrec --from 12:30 --to 15:00",
        "zinfo replay incident.zrec --from 2026-11-25T09:40:00Z --wait",
        "zinfo replay incident.zrec --speed max            at once, to query the final state",
    )
)
@click.argument("file", metavar="FILE", type=click.Path())
@click.option(
    "--speed",
    metavar="N|max",
    type=_Speed(),
    default="1",
    show_default=True,
    help="How many times as fast as recorded.",
)
@click.option(
    "--from",
    "since",
    metavar="TIME",
    type=_Moment(),
    help="Start here: [[H:]M:]S from the start of the recording, or a time in UTC. Earlier changes "
    "are applied at once.",
)
@click.option(
    "--to", "until", metavar="TIME", type=_Moment(), help="End here; a time as for --from."
)
@click.option(
    "--wait",
    is_flag=True,
    help="Begin when a client has fetched the initial state.",
)
@click.option("--loop", is_flag=True, help="Start again at the end, like a restarted daemon.")
@click.option(
    "--exit", "leave", is_flag=True, help="Exit at the end, instead of answering further queries."
)
@click.option(
    "--query",
    metavar="ENDPOINT",
    help="Answer queries here. [default: a free port of 127.0.0.1]",
)
@click.option(
    "--bus",
    cls=RenamedOption,
    former="--pub",
    metavar="ENDPOINT",
    help="Publish changes and events here. [default: a free port of 127.0.0.1]",
)
@click.option(
    "--insecure",
    is_flag=True,
    help="Listen on addresses that other machines can reach. They can then read the recording.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
def replay(  # noqa: PLR0913, PLR0917 - one for each option
    file: str,
    speed: float,
    since: float | datetime | None,
    until: float | datetime | None,
    wait: bool,
    loop: bool,
    leave: bool,
    query: str | None,
    bus: str | None,
    insecure: bool,
    as_json: bool,
) -> None:
    """Publish the recording FILE of `zinfo record` again, and answer queries about it.

    Every client of a daemon works with a replay: `zinfo top --connect ENDPOINT`, watch, get,
    events, a Mirror. Revisions, events and their times are the recorded ones; ages count from the
    moment of the replay. Clients notice lost messages, a daemon that does not respond and its
    restart, as they would have during the recording. Times without recorded data are shortened to
    ten seconds.

    At the end it continues to answer queries about the final state until Ctrl-C.

    With --json: objects with "replay": ready (with query and bus), gap, stale, restart or end.

    Exit codes: 0 done; 1 FILE is not a recording or has no complete block, or an address is in use.
    """
    if loop and leave:
        raise click.UsageError("--loop never reaches the end at which --exit exits")
    from zinfo.recording import Recording
    from zinfo.recording.replay import ANY_PORT, Options, Replay

    with Recording(file) as recording:
        summary = recording.summary()
        begin, end = _seconds(since, summary, 0.0), _seconds(until, summary, math.inf)
        if end <= begin:
            raise click.UsageError("--to is not after --from")
        if summary.blocks and begin > summary.end - summary.begin:
            raise click.UsageError(
                f"--from is after the end: {printable(file)} has "
                f"{summary.end - summary.begin:.1f} s from {when(summary.begin)} on"
            )
        options = Options(
            query=_endpoint(query, "--query", insecure=insecure) or ANY_PORT,
            bus=_endpoint(bus, "--bus", insecure=insecure) or ANY_PORT,
            speed=speed,
            since=begin,
            until=end,
            loop=loop,
            wait=wait,
            exit=leave,
        )
        printer = _ReplayPrinter(recording, summary, stays=not leave, json=as_json)
        printer.replay = Replay(recording, options, printer.print)
        printer.replay.run()


def _seconds(moment: float | datetime | None, summary: Summary, default: float) -> float:
    if moment is None:
        return default
    if isinstance(moment, datetime):
        return max(0.0, moment.timestamp() - summary.begin)
    return moment


def _endpoint(endpoint: str | None, option: str, *, insecure: bool) -> str | None:
    if endpoint is None:
        return None
    from zinfo.wire.addresses import check_endpoint, parse_endpoint

    try:
        endpoint = check_endpoint(endpoint)
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; expected tcp://HOST:PORT or ipc://PATH", param_hint=option
        ) from None
    if not insecure and not parse_endpoint(endpoint).is_local:
        raise click.UsageError(
            f"{option} {endpoint}: other machines can reach that address, and could read the "
            "recording; use 127.0.0.1, or --insecure to allow that"
        )
    return endpoint


class _ReplayPrinter:
    """Prints the progress of a replay."""

    def __init__(self, recording: Recording, summary: Summary, *, stays: bool, json: bool) -> None:
        self.replay: Replay | None = None
        self._recording = recording
        self._summary = summary
        self._stays = stays
        self._json = json

    def print(self, update: object) -> None:
        """Print one update of the replay."""
        from zinfo.client import Gap, Restart, Stale

        assert self.replay is not None
        at = self.replay.at
        if update == "ready":
            self._ready(self.replay)
        elif update == "end":
            self._print(
                "end", "the end" + self._stays * "; queries are still answered, Ctrl-C ends it"
            )
        elif isinstance(update, Gap):
            self._print("gap", f"{at:.1f} s: messages were lost here")
        elif isinstance(update, Stale):
            self._print("stale", f"{at:.1f} s: {update.reason}, {update.seconds:.1f} s")
        elif isinstance(update, Restart):
            self._print("restart", f"{at:.1f} s: {update.node} was restarted")

    def _ready(self, replay: Replay) -> None:
        summary = self._summary
        if self._json:
            echo_json(
                {
                    "replay": "ready",
                    "query": replay.query,
                    "bus": replay.bus,
                    "begin": summary.begin,
                    "end": summary.end,
                    "cut": summary.truncated,
                }
            )
            return
        name = printable(str(self._recording.path))
        if summary.truncated:
            note(
                f"{name}: {summary.truncated} bytes at the end are an incomplete block, and ignored"
            )
        seconds = summary.end - summary.begin
        emit(f"{name}: {seconds:.1f} s from {when(summary.begin)} on; Ctrl-C ends it")
        emit(f"queries at {replay.query}, bus at {replay.bus}")
        emit(f"View it:  zinfo top --connect {replay.query}")

    def _print(self, kind: str, text: str) -> None:
        assert self.replay is not None
        if self._json:
            echo_json({"replay": kind, "at": self.replay.at, "message": text})
        else:
            emit(printable(text))
