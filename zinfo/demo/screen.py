"""One moment of the demo, and how it looks on a screen of a given size. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from zinfo.demo.rows import (
    NOTHING,
    Row,
    clock_text,
    count_text,
    event_text,
    memory_text,
    ratio_text,
    seconds_text,
)
from zinfo.wire.lifecycle import BUSY, DOWN, LOADING, NEW, POLLING_ERROR, RESTARTED, UP, Event

WIDTH = 80
"""Columns that everything fits into."""

COLOURS = {
    UP: "green",
    DOWN: "bold red",
    LOADING: "yellow",
    BUSY: "yellow",
    NEW: "cyan",
    RESTARTED: "magenta",
    POLLING_ERROR: "yellow",
}
"""Of states, and of the events that are named like them or else worth a look."""

_LEAST_EVENTS = 3  # lines for events that many shards do not take away
_HEAD_LINES = 5  # above the first shard
_MARGIN_LINES = 2  # around the heading of the events
_OLD = 3  # intervals after which an age stands out
_OLD_AT_LEAST = 2.0  # seconds

# Heading, width, whether at the right. Widths and the spaces between come to WIDTH.
_COLUMNS = (
    ("shard", 15, False),
    ("state", 7, False),
    ("role", 6, False),
    ("version", 7, False),
    ("ops/s", 5, True),
    ("memory", 6, True),
    ("clients", 7, True),
    ("keys", 4, True),
    ("hits", 4, True),
    ("every", 5, True),
    ("age", 4, True),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to see.

    Attributes:
        program: the servers' name and version.
        query: where the daemon answers.
        elapsed: seconds since the show began.
        rows: the shards.
        events: the newest events, oldest first.
        problem: why the shards are stale; "" where they are not.
    """

    program: str
    query: str
    elapsed: float
    rows: Sequence[Row]
    events: Sequence[Event]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What there was to see.

    Attributes:
        seconds: how long it was shown.
        polls: INFO replies that the daemon had.
        events: all of them.
        down: events of a server going down.
        up_again: events of one coming back.
    """

    seconds: float
    polls: int
    events: int
    down: int
    up_again: int

    def lines(self) -> list[str]:
        """Return it in words, and where to go from here."""
        return [
            f"{self.seconds:.0f} s, {self.polls} polls, {self.events} events: "
            f"{self.down} down, {self.up_again} up again. Nothing of it is left.",
            "Next: `zinfo serve --local` watches the servers that run on this machine,",
            "and `zinfo shards` lists them. README.md tells more.",
        ]


class View(Protocol):
    """A way to show the demo. A context manager around all calls of `show`."""

    interval: float
    """Seconds from one picture to the next."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def start(self, program: str, count: int) -> None:
        """Say what is being started."""

    def show(self, picture: Picture) -> None:
        """Show what there is now."""

    def end(self, summary: Summary) -> None:
        """Say what there was, when all is closed."""


def draw(picture: Picture, width: int, height: int) -> Group:
    """Return the picture for a screen of that many columns and lines."""
    room = max(1, height - _HEAD_LINES - _MARGIN_LINES - _LEAST_EVENTS)
    rows = picture.rows
    if len(rows) > room:
        rows = rows[: room - 1]
    hidden = len(picture.rows) - len(rows)
    used = _HEAD_LINES + _MARGIN_LINES + len(rows) + bool(hidden)
    lines = max(0, height - used)
    parts: list[RenderableType] = [
        *_heading(picture),
        Text(),
        _table(rows, gap=1 if width < 100 else 2),
    ]
    if hidden:
        parts.append(_line(f"... and {hidden} more", "dim"))
    parts += [Text(), _line("Events", "bold"), *_events(picture.events, lines)]
    return Group(*parts)


def _heading(picture: Picture) -> list[Text]:
    count = len(picture.rows)
    servers = f"{count} x {picture.program}" if count > 1 else picture.program
    title = _line(f"zinfo demo: {servers}", "bold")
    title.append(f", {int(picture.elapsed)} s; Ctrl-C ends it", "not bold")
    if picture.problem:
        story = _line(f"STALE: {picture.problem}", "bold red")
    else:
        story = _line("Busy servers are polled every 0.5 s, idle ones less often; some get killed.")
    ask = _line("Ask it yourself:  ")
    ask.append(f"zinfo get --connect {picture.query}", "bold cyan")
    return [title, story, ask]


def _table(rows: Sequence[Row], gap: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold underline")
    for heading, width, right in _COLUMNS:
        table.add_column(
            heading,
            justify="right" if right else "left",
            min_width=width,
            no_wrap=True,
            overflow="crop",
        )
    for row in rows:
        table.add_row(*_cells(row), style="dim" if row.stale or row.state == DOWN else "")
    return table


def _cells(row: Row) -> list[Text]:
    state = Text(row.state, f"not dim {COLOURS.get(row.state, '')}")
    every, age = Text(seconds_text(row.interval)), Text(seconds_text(row.age))
    if math.isfinite(row.age) and row.age > max(_OLD_AT_LEAST, _OLD * (row.interval or 0)):
        age.stylize("not dim red")
    if row.stale:
        every = Text("STALE", "not dim reverse red")
    return [
        Text(row.shard),
        state,
        Text(row.role or NOTHING),
        Text(row.version or NOTHING),
        Text(count_text(row.ops)),
        Text(memory_text(row.memory)),
        Text(count_text(row.clients)),
        Text(count_text(row.keys)),
        Text(ratio_text(row.hit_ratio)),
        every,
        age,
    ]


def _events(events: Sequence[Event], lines: int) -> list[Text]:
    """Return the newest events, the newest one last."""
    shown = events[-lines:] if lines else ()
    return [_event(event) for event in shown]


def _event(event: Event) -> Text:
    line = _line(f"{clock_text(event.time)}  {event.shard:<15}  ", "")
    return line.append(event_text(event), COLOURS.get(event.type, ""))


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="crop")
