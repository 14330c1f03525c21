"""The lines at the top of a screen: endpoint, position, totals, and whether the data is stale."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.views.formatting import (
    STALE,
    clock_text,
    count_text,
    memory_text,
    ratio_text,
    safe,
    seconds_text,
)
from zinfo.views.problems import Problem
from zinfo.views.rows import FeedState, Series
from zinfo.views.sparklines import downsample, draw_sparkline
from zinfo.views.totals import Totals
from zinfo.wire.lifecycle import BUSY, DOWN, LOADING, NEW, UP

_ORDER = (UP, LOADING, BUSY, NEW, DOWN, STALE)
_MAX_SPARK = 30  # columns of a sparkline
_MIN_SPARK = 6  # columns below which a sparkline is left out


class Head(Widget):
    """Some lines that are redrawn when they change."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "Head { height: auto; background: ansi_default; color: ansi_default; }"

    def __init__(self, glyphs: Glyphs, lines: int) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.styles.height = lines
        self._parts: list[list[tuple[str, Style]]] = [[] for _ in range(lines)]

    def put(self, lines: list[list[tuple[str, Style]]]) -> None:
        """Set the lines."""
        if lines != self._parts:
            self._parts = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        parts = self._parts[y] if y < len(self._parts) else []
        return styles.strip(parts, self.size.width)

    def title(self, text: str, right: str) -> list[tuple[str, Style]]:
        """Return the first line: a text, the position in the list, and the time."""
        end = f"{right}  {clock_text(time.time())}"
        room = self.size.width - len(end) - len("zinfo top  ") - 1
        shown = styles.fit(safe(text), max(0, room), self.glyphs)
        return [
            ("zinfo top", styles.BOLD),
            ("  ", styles.PLAIN),
            (shown, styles.BARS),
            (" " + end, styles.PLAIN),
        ]


def feed_line(
    feed: FeedState, endpoint: str, width: int, glyphs: Glyphs
) -> list[tuple[str, Style]]:
    """Return the warning that data is stale or missing; empty where it is not.

    Args:
        feed: whether the data is fresh, and why not.
        endpoint: the daemon's query endpoint.
        width: in columns.
        glyphs: the characters to draw with.
    """
    if feed.fresh:
        if not feed.missing:
            return []
        return [
            (styles.fit(f" MISSING: {safe('; '.join(feed.missing))}", width, glyphs), styles.ALARM)
        ]
    why = safe(feed.problem)
    if not feed.ever:
        return [
            (
                styles.fit(
                    f"Waiting for {safe(endpoint)}{f': {why}' if why else ''}", width, glyphs
                ),
                styles.WARNING,
            )
        ]
    text = f" STALE for {seconds_text(feed.seconds)}: {why or 'the shards are being read again'}"
    return [(styles.fit(text, width, glyphs), styles.ALARM)]


def states_line(
    of: Totals, problems: Sequence[Problem], width: int, glyphs: Glyphs
) -> list[tuple[str, Style]]:
    """Return the number of shards, of those in each state, and at the right of problems.

    Args:
        of: of the shards that are shown.
        problems: of all shards.
        width: in columns.
        glyphs: the characters to draw with.
    """
    plural = "" if of.shards == 1 else "s"
    parts: list[tuple[str, Style]] = [(f"{of.shards} shard{plural}", styles.BOLD)]
    sign = ": "
    known = [*_ORDER, *sorted(of.states.keys() - set(_ORDER))]
    for state in known:
        if of.states.get(state):
            parts += [
                (sign, styles.PLAIN),
                (f"{of.states[state]} {safe(state)}", styles.event_style(state)),
            ]
            sign = ", "
    right = problems_parts(problems) if problems else []
    if _length(parts) + _length(right) >= width:  # states are more important than notes
        severe = [one for one in problems if one.severity != "info"]
        right = problems_parts(severe) if severe else []
    room = width - _length(right) - 1
    left = styles.cut(parts, room, glyphs)
    return [*left, (" " * (room + 1 - _length(left)), styles.PLAIN), *right]


def problems_parts(problems: Sequence[Problem]) -> list[tuple[str, Style]]:
    """Return the number of problems of each severity, worst first."""
    if not problems:
        return [("no problem is known", styles.PLAIN)]
    counts = Counter([one.severity for one in problems])
    parts: list[tuple[str, Style]] = []
    for severity, count in counts.items():
        plural = "s" if severity == "warning" and count != 1 else ""
        parts += [
            (", " if parts else "", styles.PLAIN),
            (f"{count} {severity}{plural}", styles.severity_style(severity)),
        ]
    return parts


def _length(parts: Sequence[tuple[str, Style]]) -> int:
    return sum(cell_len(text) for text, _ in parts)


def sums_line(
    of: Totals, series: Series | None, width: int, glyphs: Glyphs
) -> list[tuple[str, Style]]:
    """Return the totals, with sparklines of the last 15 minutes.

    Args:
        of: of the shards that are shown.
        series: of all shards; None where others are shown.
        width: in columns.
        glyphs: the characters to draw with.
    """
    sums = [
        ("ops/s", count_text(of.ops), series and series.ops),
        ("memory", _memory(of), series and series.memory),
        ("hits", ratio_text(of.hits), series and series.hit_ratio),
        ("clients", count_text(of.clients), None),
        ("keys", count_text(of.keys), None),
    ]
    spark = _room(sums, width)
    while spark < _MIN_SPARK and any(values for _, _, values in sums):  # fewer sparklines
        at = max(at for at, (_, _, values) in enumerate(sums) if values)
        sums[at] = (*sums[at][:2], None)
        spark = _room(sums, width)
    parts: list[tuple[str, Style]] = []
    for name, text, values in sums:
        parts += [(f"{name} ", styles.DIM), (text, styles.BOLD)]
        if values and series:
            bars = draw_sparkline(downsample(values, series.newest, spark), glyphs.bars)
            parts += [(" ", styles.PLAIN), (bars, styles.BARS)]
        parts.append(("  ", styles.PLAIN))
    return parts


def _memory(of: Totals) -> str:
    """Return the memory of primaries, and apart from it that of replicas."""
    replicas = f"{memory_text(of.memory_replicas)} replicas" if of.memory_replicas else ""
    if of.memory is None and replicas:
        return replicas
    return memory_text(of.memory) + (f" +{replicas}" if replicas else "")


def _room(sums: Sequence[tuple[str, str, object]], width: int) -> int:
    """Return how many columns are left for each sparkline."""
    drawn = sum(1 for _, _, values in sums if values)
    taken = sum(len(name) + 1 + max(4, len(text)) + 2 for name, text, _ in sums)
    return min(_MAX_SPARK, (width - taken) // max(1, drawn) - 1)
