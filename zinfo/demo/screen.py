"""What the demo shows at one moment, and how that is drawn on a screen of a given size. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from zinfo.views.columns import COLUMNS, GAP, Column, fitting
from zinfo.views.formatting import (
    DAEMON,
    EMPHASISED,
    EVENT_COLOURS,
    clock_text,
    event_text,
    safe,
)
from zinfo.views.rows import Row
from zinfo.wire.lifecycle import Event

_MIN_EVENTS = 3  # lines for events, however many shards there are
_HEAD_LINES = 5  # above the first shard
_MARGIN_LINES = 2  # around the heading of the events

_LEFT_OUT = ("", "full")  # columns of `zinfo top`: sparklines, and the share of maxmemory


def _demo_columns() -> list[Column]:
    """Return the columns of `zinfo top` that 80 characters have room for, and the version.

    The state is without its reason, which the events below the table have. The version stands above
    the table, too, and is left out of narrow ones.
    """
    columns = []
    for column in COLUMNS:
        if column.name == "state":
            columns.append(column._replace(width=7, text=lambda row: row.shown_state))
        elif column.name not in _LEFT_OUT:
            columns.append(column._replace(rank=int(column.name == "version")))
    return columns


_COLUMNS = _demo_columns()


@dataclass(frozen=True, slots=True)
class Frame:
    """What the demo shows at one moment.

    Attributes:
        program: name and version of the server program.
        query: the daemon's query endpoint.
        elapsed: seconds since the start.
        rows: the shards.
        events: the newest events, oldest first.
        problem: why the rows are stale; "" where they are not.
    """

    program: str
    query: str
    elapsed: float
    rows: Sequence[Row]
    events: Sequence[Event]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The totals that are printed at the end.

    Attributes:
        seconds: duration of the demo.
        polls: number of INFO replies to the daemon.
        events: number of all events.
        down: number of events of a server going down.
        up_again: number of events of a server coming back.
    """

    seconds: float
    polls: int
    events: int
    down: int
    up_again: int

    def lines(self) -> list[str]:
        """Return the totals as text, and what to do next."""
        return [
            f"{self.seconds:.0f} s, {self.polls} polls, {self.events} events: "
            f"{self.down} down, {self.up_again} up again. Everything was removed.",
            "Next: `zinfo serve --local` polls the servers that run on this machine,",
            "and `zinfo shards` lists them. See README.md.",
        ]


class View(Protocol):
    """A way to show the demo. A context manager around all calls of `show`."""

    interval: float
    """Seconds between two frames."""

    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def start(self, program: str, count: int) -> None:
        """Print what is being started."""

    def show(self, frame: Frame) -> None:
        """Show a frame."""

    def end(self, summary: Summary) -> None:
        """Print the summary, when everything has been removed."""


def draw(frame: Frame, width: int, height: int) -> Group:
    """Return a frame drawn for a screen of `width` columns and `height` lines."""
    room = max(1, height - _HEAD_LINES - _MARGIN_LINES - _MIN_EVENTS)
    rows = frame.rows
    if len(rows) > room:
        rows = rows[: room - 1]
    hidden = len(frame.rows) - len(rows)
    used = _HEAD_LINES + _MARGIN_LINES + len(rows) + bool(hidden)
    event_lines = max(0, height - used)
    parts: list[RenderableType] = [*_heading(frame), Text(), _table(rows, fitting(width, _COLUMNS))]
    if hidden:
        parts.append(_line(f"... and {hidden} more", "dim"))
    events = frame.events[-event_lines:] if event_lines else ()
    parts += [Text(), _line("Events", "bold"), *map(_event, events)]
    return Group(*parts)


def _heading(frame: Frame) -> list[Text]:
    count = len(frame.rows)
    servers = f"{count} x {frame.program}" if count > 1 else frame.program
    title = _line(f"zinfo demo: {servers}", "bold")
    title.append(f", {int(frame.elapsed)} s; Ctrl-C ends it", "not bold")
    if frame.problem:
        story = _line(f"STALE: {frame.problem}", "bold red")
    else:
        story = _line("Busy servers are polled every 0.5 s, idle ones less often; some get killed.")
    hint = _line("Query it yourself:  ")
    hint.append(f"zinfo get --connect {frame.query}", "bold cyan")
    return [title, story, hint]


def _table(rows: Sequence[Row], columns: Sequence[Column]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold underline")
    for column in columns:
        table.add_column(
            column.heading,
            justify="right" if column.right else "left",
            width=column.width,
            no_wrap=True,
            overflow="crop",
        )
    for row in rows:
        cells = [Text(column.text(row), _cell_style(row, column)) for column in columns]
        table.add_row(*cells, style="" if row.current else "dim")
    return table


def _cell_style(row: Row, column: Column) -> str:
    if column.name == "state":
        return f"not dim {_style(row.shown_state)}"
    return "not dim red" if column.name == "age" and row.late else ""


def _style(kind: str) -> str:
    """Return the style of a state, or of a type of event."""
    colour = EVENT_COLOURS.get(kind, "")
    return f"bold {colour}" if kind in EMPHASISED else colour


def _event(event: Event) -> Text:
    line = _line(f"{clock_text(event.time)}  {safe(event.shard) or DAEMON:<15}  ")
    return line.append(event_text(event), _style(event.type))


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="crop")
