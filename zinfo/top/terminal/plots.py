"""The widget that plots the last minutes of a shard."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip
from textual.widget import Widget

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.plot_drawing import AXIS, FRAME, Parts, draw, picture, plotted
from zinfo.views.formatting import short_text
from zinfo.views.quantities import Quantity, value_of
from zinfo.views.rows import Row, Series

_GAP = 2  # columns between two plots
_WIDTH = 34  # columns that a plot needs; more plots are shown where there is room


class Plots(Widget):
    """Plots side by side, with a cursor that all of them share.

    Args:
        glyphs: the characters to draw with.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = "Plots { height: 6; background: ansi_default; color: ansi_default; }"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._lines: list[Parts] = []
        self._series: Series | None = None
        self._row: Row | None = None
        self._first = 0  # position of the first plot that is shown
        self._ago: float | None = None  # the cursor: part of the time before now; None for none

    def show(self, row: Row | None, series: Series | None) -> None:
        """Show the series of a shard; None clears the widget."""
        self._row, self._series = row, series
        lines = [] if row is None or series is None else self._draw(row, series)
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        return styles.strip(self._lines[y] if y < len(self._lines) else [], self.size.width)

    @property
    def turns(self) -> bool:
        """Whether there are more plots than fit."""
        return self._series is not None and len(plotted(self._series)) > self._room()

    def turn(self) -> None:
        """Show the next plots."""
        if self._series is None:
            return
        count, room = len(plotted(self._series)), self._room()
        self._first = (self._first + room) % max(1, count) if count > room else 0
        self.show(self._row, self._series)

    def move_cursor(self, steps: int) -> None:
        """Move the cursor by values of the series; it appears at the newest one."""
        if self._series is None:
            return
        step = 1 / max(1, len(self._series.ops))
        ago = 0.0 if self._ago is None else self._ago - steps * step
        self._ago = max(0.0, min(1 - step, ago))
        self.show(self._row, self._series)

    def hide_cursor(self) -> bool:
        """Hide the cursor; returns whether there was one."""
        had, self._ago = self._ago is not None, None
        self.show(self._row, self._series)
        return had

    def _room(self) -> int:
        return max(2, self.size.width // _WIDTH) if self.size.width > _WIDTH else 1

    def _draw(self, row: Row, series: Series) -> list[Parts]:
        shown = self._chosen(plotted(series))
        height = max(1, self.size.height - FRAME)
        width = (self.size.width - _GAP * (len(shown) - 1)) // len(shown)
        lines: list[Parts] = [[] for _ in range(height + FRAME)]
        for number, one in enumerate(shown):
            columns = max(1, width - AXIS)
            made = picture(one, series, columns)
            cursor = None
            if self._ago is not None:
                cursor = max(0, columns - 1 - round(self._ago * columns))
            present = short_text(value_of(one)(row), one.unit)
            drawn = draw(made, present, height, self._glyphs, cursor)
            for line, parts in zip(lines, drawn, strict=True):
                line.extend([(" " * _GAP, styles.PLAIN), *parts] if number else parts)
        return lines

    def _chosen(self, all_: Sequence[Quantity]) -> Sequence[Quantity]:
        room = self._room()
        if len(all_) <= room:
            return all_
        first = min(self._first, len(all_) - 1)
        return [*all_[first:], *all_[:first]][:room]
