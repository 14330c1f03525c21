"""The table of shards, with a cursor and a heading that sorts when clicked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.cursor_lines import CursorLines
from zinfo.views.columns import COLUMNS, GAP, SORTABLE, Column, fitting
from zinfo.views.plots import FULL_SCALES
from zinfo.views.rows import Row, Series
from zinfo.views.sparklines import downsample, draw_bars

SPARK_STEPS = 64
"""Number of values in a shard's sparkline: about five minutes."""

_MARK = 1  # column at the left that marks the cursor on terminals without reverse video


class Heading(Widget):
    """The column headings, with an arrow at the one that rows are sorted by.

    Args:
        glyphs: the characters to draw with.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = "Heading { height: 1; background: ansi_default; color: ansi_default; }"

    class Clicked(Message):
        """The column `name` was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._sorted = ("", False)

    def show(self, name: str, *, ascending: bool) -> None:
        """Show which column rows are sorted by, and whether in ascending order."""
        if (name, ascending) != self._sorted:
            self._sorted = name, ascending
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 (textual's)
        """Return the line."""
        width = self.size.width
        sorted_by, ascending = self._sorted
        arrow = self._glyphs.rising if ascending else self._glyphs.falling
        cells: list[tuple[str, Style]] = [(" ", styles.PLAIN)] * width
        at = _MARK
        for column in fitting(width - _MARK):
            begin = at + column.width - len(column.heading) if column.right else at
            style = styles.HEADING
            if column.name and column.name == sorted_by:
                style += styles.CURSOR
                beside = begin - 1 if column.right else begin + len(column.heading)
                cells[beside : beside + 1] = [(arrow, style)]
            cells[begin : begin + len(column.heading)] = [(one, style) for one in column.heading]
            at += column.width + GAP
        return styles.strip(cells, width)

    def on_click(self, event: events.Click) -> None:
        """Sort by the column under the mouse."""
        left = _MARK
        for column in fitting(self.size.width - _MARK):
            if left <= event.x < left + column.width + GAP and column.key:
                self.post_message(self.Clicked(column.name))
            left += column.width + GAP


class Table(CursorLines):
    """One line per shard.

    Args:
        glyphs: the characters to draw with.
        series: returns the last minutes of a shard; called for visible shards only.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", key_display="Enter"),
        Binding("space", "page(1)", "Page down", show=False),
    ]

    class Opened(Message):
        """The shard with the id `shard` was opened."""

        def __init__(self, shard: str) -> None:
            super().__init__()
            self.shard = shard

    def __init__(self, glyphs: Glyphs, series: Callable[[str], Series | None]) -> None:
        super().__init__(id="table")
        self._glyphs = glyphs
        self._series = series
        self._rows: Sequence[Row] = ()

    @property
    def shard(self) -> str | None:
        """Id of the shard under the cursor; None where there is none."""
        return self._rows[self.cursor].shard if self._rows else None

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these shards; the cursor stays on its shard if that is among them."""
        self._rows = rows
        self.show_items(len(rows))

    def key_of(self, index: int) -> str:
        """Return the id of the shard of a line."""
        return self._rows[index].shard

    def line(self, index: int, width: int) -> Strip:
        """Return the line of a shard."""
        row = self._rows[index]
        chosen = index == self.cursor
        mark = ">" if chosen else " "
        parts: list[tuple[str, Style]] = [(mark.ljust(_MARK), styles.BOLD)]
        base = styles.PLAIN if row.current else styles.DIM
        for column in fitting(width - _MARK):
            text, style = self._cell(row, column)
            shown = styles.fit(text, column.width, self._glyphs, right=column.right)
            parts += [(shown, base + style), (" " * GAP, styles.PLAIN)]
        if chosen:
            parts = [(text, styles.CURSOR) for text, _ in parts]
        return styles.strip(parts, width)

    def _cell(self, row: Row, column: Column) -> tuple[str, Style]:
        if column.series:
            return self._spark(row, column), styles.BARS
        style = {
            "state": styles.state_style,
            "age": styles.age_style,
            "full": styles.full_style,
        }.get(column.name)
        return column.text(row), style(row) if style else styles.PLAIN

    def _spark(self, row: Row, column: Column) -> str:
        series = self._series(row.shard)
        if series is None:
            return ""
        values = getattr(series, column.series)[-SPARK_STEPS:]
        columns = downsample(values, series.newest, column.width)
        return draw_bars(columns, 1, self._glyphs.bars, full_scale=FULL_SCALES[column.series])[0]

    # --- keys and mouse

    def action_open(self) -> None:
        """Open the shard under the cursor."""
        if self.shard is not None:
            self.post_message(self.Opened(self.shard))


class SortOrder:
    """The column that rows are sorted by, and the direction.

    Attributes:
        name: of the column.
        reverse: whether the direction is not the column's default.
    """

    def __init__(self) -> None:
        self.name = COLUMNS[0].name
        self.reverse = False

    @property
    def ascending(self) -> bool:
        """Whether the order is ascending."""
        return SORTABLE[self.name].falling == self.reverse

    def choose(self, name: str) -> None:
        """Sort by a column; reverse the order if rows are sorted by it already."""
        self.reverse = not self.reverse if name == self.name else False
        self.name = name

    def step(self, columns: int, width: int) -> None:
        """Sort by the next visible column to the right, or to the left."""
        names = [column.name for column in fitting(width - _MARK) if column.key]
        at = names.index(self.name) if self.name in names else 0
        self.name, self.reverse = names[(at + columns) % len(names)], False
