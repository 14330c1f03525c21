"""The text and style of each cell of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.style import Style

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.arrangement import GroupLine
from zinfo.top.terminal.table_columns import Column, cell_text
from zinfo.views.formatting import STALE, memory_text, safe, seconds_text, short_text
from zinfo.views.rows import Row, Series
from zinfo.views.sparklines import downsample, draw_sparkline
from zinfo.views.totals import Totals, total_of
from zinfo.wire.lifecycle import BUSY, DOWN, LOADING, NEW, UP

SPARK_STEPS = 64
"""Number of values in a sparkline: about five minutes."""

_WORST_FIRST = (DOWN, STALE, BUSY, LOADING, NEW, UP)


class Cells:
    """Makes the cells.

    Args:
        glyphs: the characters to draw with.
        series: returns the last minutes of a shard; called for visible shards only.
    """

    def __init__(self, glyphs: Glyphs, series: Callable[[str], Series | None]) -> None:
        self._glyphs = glyphs
        self._series = series
        self._short: Callable[[str], str] = safe
        self._totals: dict[tuple[str, str], str] = {}  # by group and column; of the present rows

    def clear(self, short: Callable[[str], str]) -> None:
        """Forget the totals of groups: the rows are others.

        Args:
            short: returns the form of an id that is shown.
        """
        self._short = short
        self._totals.clear()

    # --- shards

    def of_row(self, row: Row, column: Column, width: int, indent: int) -> tuple[str, Style]:
        """Return a cell of a shard.

        Args:
            row: the shard.
            column: the column.
            width: of the cell.
            indent: characters before an id.
        """
        base = styles.PLAIN if row.current else styles.DIM
        if column.series:
            return self._spark(row, column, width), base + styles.BARS
        text, style = self._text(row, column, width), styles.PLAIN
        if column.name == "id":
            text = " " * indent + text
        make = _STYLES.get(column.name)
        if make is not None:
            style = make(row)
        return styles.fit(text, width, self._glyphs, right=column.right), base + style

    def _text(self, row: Row, column: Column, width: int) -> str:
        if column.name == "id":
            return self._short(row.shard)
        if column.name == "state":
            return state_text(row, width)
        return cell_text(column, row)

    def _spark(self, row: Row, column: Column, width: int) -> str:
        series = self._series(row.shard)
        if series is None:
            return " " * width
        values = getattr(series, column.series)[-SPARK_STEPS:]
        bars = draw_sparkline(downsample(values, series.newest, width), self._glyphs.bars)
        return styles.fit(bars, width, self._glyphs)

    # --- groups

    def of_group(self, line: GroupLine, column: Column, width: int) -> tuple[str, Style]:
        """Return a cell of a group: a total, or nothing where the column has none."""
        group = line.group
        if column.name == "id":
            mark = self._glyphs.folded if line.folded else self._glyphs.unfolded
            return self._title(f"{mark} {safe(group.title)}", group.totals, width), styles.BOLD
        if column.name == "state":
            return self._states(group.totals, width)
        if column.name == "role":
            counts = f"{group.totals.primaries}p {group.totals.replicas}r"
            return styles.fit(counts, width, self._glyphs), styles.BOLD
        key = (group.key, column.name)
        if key not in self._totals:
            self._totals[key] = _total_text(group.rows, group.totals, column)
        text = styles.fit(self._totals[key], width, self._glyphs, right=column.right)
        return text, styles.BOLD

    def _title(self, title: str, totals: Totals, width: int) -> str:
        count = f" ({totals.shards})"
        room = width - len(count)
        shown = title if cell_len(title) <= room else styles.fit(title, max(0, room), self._glyphs)
        return styles.fit(shown + count, width, self._glyphs)

    def _states(self, totals: Totals, width: int) -> tuple[str, Style]:
        """Return the number of shards in the worst state, and in the others as far as they fit."""
        text, worst = "", UP
        for state in sorted(totals.states, key=_rank):
            more = f"{totals.states[state]} {safe(state)}"
            if not text:
                text, worst = more, state
            elif len(text) + 2 + len(more) <= width:
                text += f", {more}"
        return styles.fit(text, width, self._glyphs), styles.event_style(worst)


def _rank(state: str) -> int:
    return _WORST_FIRST.index(state) if state in _WORST_FIRST else -1


def _total_text(rows: Sequence[Row], totals: Totals, column: Column) -> str:
    if column.series:
        apart = totals.memory_replicas if column.series == "memory" else None
        return f"+{memory_text(apart)} r" if apart else ""
    total = total_of(column.quantity, rows)
    return "" if total is None else short_text(total, column.quantity.unit)


def state_text(row: Row, width: int) -> str:
    """Return the state, why, and since when if it is not up, as much of it as fits."""
    text = safe(row.status)
    if row.state == UP or not row.fresh or row.since is None:
        return text
    since = f" {seconds_text(row.since)}"
    return text + since if len(text) + len(since) <= width else text


_STYLES: dict[str, Callable[[Row], Style]] = {
    "state": styles.state_style,
    "age": styles.age_style,
    "full": styles.full_style,
}
