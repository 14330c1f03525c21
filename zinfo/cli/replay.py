"""`zinfo replay`: what was recorded, published again."""

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
    """How many times as fast, or "max"."""

    name = "speed"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if value == "max":
            return math.inf
        try:
            speed = float(str(value))
        except ValueError:
            self.fail(f"{value!r} is no speed; expected a number from 1 on, or max", param, ctx)
        if not 1 <= speed < math.inf:
            self.fail(
                f"{value!r}: expected a number from 1 on, or max; "
                "slower than it was, a daemon looks late to its clients",
                param,
                ctx,
            )
        return speed


class _Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # likewise
    """A time in a recording: seconds from its beginning, or a wall clock as a datetime."""

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
                f"{value!r} is no time; expected one from the recording's beginning, 90 or 1:30, "
                "or one in UTC, 2026-11-25T09:40:00Z",
                param,
                ctx,
            )
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


@click.command(
    epilog=examples(
        "zinfo replay incident.zrec                        at the speed that it had",
        "zinfo replay incident.zrec --speed 10 --query tcp://127.0.0.1:9736",
        "zinfo replay incident.zrec --from 12:30 --to 15:00",
        "zinfo replay incident.zrec --from 2026-11-25T09:40:00Z --wait",
        "zinfo replay incident.zrec --speed max            at once, to ask about the end",
    )
)
@click.argument("file", metavar="FILE", type=click.Path())
@click.option(
    "--speed",
    metavar="N|max",
    type=_Speed(),
    default="1",
    show_default=True,
    help="How many times as fast as it was.",
)
@click.option(
    "--from",
    "since",
    metavar="TIME",
    type=_Moment(),
    help="Begin here: [[H:]M:]S from the beginning, or a time in UTC. What was before is known.",
)
@click.option("--to", "until", metavar="TIME", type=_Moment(), help="End here, likewise.")
@click.option(
    "--wait",
    is_flag=True,
    help="Begin when somebody follows the bus, and knows what is there.",
)
@click.option("--loop", is_flag=True, help="Begin again at the end, as a daemon started anew.")
@click.option("--exit", "leave", is_flag=True, help="Leave at the end, instead of answering on.")
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
    help="Publish here. [default: a free port of 127.0.0.1]",
)
@click.option(
    "--insecure",
    is_flag=True,
    help="Listen where other machines reach it, so that all who do may read all that was recorded.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
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
    """Publish what `zinfo record` wrote into FILE once more, and answer queries beside it.

    Whatever talks to a daemon talks to a replay: `zinfo top --connect ENDPOINT`, watch, get,
    events, a Mirror. Revisions, events and their times are those that were recorded; ages count
    anew. Where messages were lost, or the daemon was silent or started again, clients notice it as
    they would have then. A time that nothing is known of is cut to ten seconds.

    At the end it stays, and answers with what was then, until Ctrl-C.

    With --json: objects with "replay": ready (with query and bus), gap, stale, restart or end.

    Exit codes: 0 done; 1 FILE is no recording, or holds nothing whole; or an address is taken.
    """
    if loop and leave:
        raise click.UsageError("--loop never comes to the end that --exit leaves at")
    from zinfo.recording import Recording
    from zinfo.recording.replay import ANY_PORT, Options, Replay

    with Recording(file) as recording:
        summary = recording.summary()
        begin, end = _seconds(since, summary, 0.0), _seconds(until, summary, math.inf)
        if end <= begin:
            raise click.UsageError("--to is not after --from")
        if summary.blocks and begin > summary.end - summary.begin:
            raise click.UsageError(
                f"--from is behind the end: {printable(file)} has "
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
        telling = _Telling(recording, summary, stays=not leave, json=as_json)
        telling.replay = Replay(recording, options, telling.tell)
        telling.replay.run()


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
        check_endpoint(endpoint)
    except ValueError as error:
        raise click.BadParameter(
            f"{error}; expected tcp://HOST:PORT or ipc://PATH", param_hint=option
        ) from None
    if not insecure and not parse_endpoint(endpoint).is_local:
        raise click.UsageError(
            f"{option} {endpoint}: other machines reach that address, and could read all that was "
            "recorded; take 127.0.0.1, or --insecure where all who reach it may"
        )
    return endpoint


class _Telling:
    """Says what happens."""

    def __init__(self, recording: Recording, summary: Summary, *, stays: bool, json: bool) -> None:
        self.replay: Replay | None = None
        self._recording = recording
        self._summary = summary
        self._stays = stays
        self._json = json

    def tell(self, what: object) -> None:
        """Print one thing."""
        from zinfo.client import Gap, Restart, Stale

        assert self.replay is not None
        at = self.replay.at
        if what == "ready":
            self._ready(self.replay)
        elif what == "end":
            self._tell("end", "the end" + self._stays * "; it stays and answers, Ctrl-C ends it")
        elif isinstance(what, Gap):
            self._tell("gap", f"{at:.1f} s: messages were lost here")
        elif isinstance(what, Stale):
            self._tell("stale", f"{at:.1f} s: {what.reason}, {what.seconds:.1f} s")
        elif isinstance(what, Restart):
            self._tell("restart", f"{at:.1f} s: {what.node} was started again")

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
            note(f"{name}: {summary.truncated} bytes at the end are no whole block, and left out")
        seconds = summary.end - summary.begin
        emit(f"{name}: {seconds:.1f} s from {when(summary.begin)} on; Ctrl-C ends it")
        emit(f"queries at {replay.query}, bus at {replay.bus}")
        emit(f"Look at it:  zinfo top --connect {replay.query}")

    def _tell(self, kind: str, text: str) -> None:
        assert self.replay is not None
        if self._json:
            echo_json({"replay": kind, "at": self.replay.at, "message": text})
        else:
            emit(printable(text))
