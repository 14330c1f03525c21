"""The last five minutes of a shard, as columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from zinfo.top.glyphs import Glyphs
from zinfo.top.plots import MEASURES
from zinfo.top.rows import Series
from zinfo.top.sparklines import greatest, plot, thinned
from zinfo.top.terminal import styles

_GAP = 2  # columns between two plots
_WIDE = 100  # columns from which on there is room for the fourth
_AXES = 2  # lines above and below


class Plots(Widget):
    """Plots side by side.

    Args:
        glyphs: what the terminal can show.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = "Plots { height: 6; background: ansi_default; color: ansi_default; }"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._lines: list[list[tuple[str, Style]]] = []

    def show(self, series: Series | None) -> None:
        """Show the last minutes; None for nothing."""
        lines = [] if series is None else self._made(series)
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        return styles.strip(self._lines[y] if y < len(self._lines) else [], self.size.width)

    def _made(self, series: Series) -> list[list[tuple[str, Style]]]:
        plots = MEASURES if self.size.width >= _WIDE else MEASURES[:-1]
        height = max(1, self.size.height - _AXES)
        width = (self.size.width - _GAP * (len(plots) - 1)) // len(plots)
        lines: list[list[tuple[str, Style]]] = [[] for _ in range(height + _AXES)]
        for name, attribute, say, of, full in plots:
            values: Sequence[float] = getattr(series, attribute)
            most = greatest(values)
            now = say(values[-1])
            columns = thinned(values, series.newest, width, of)
            drawn = plot(columns, height, self._glyphs.bars, full=full or most)
            top = "" if most is None else f"max {say(full or most)}"
            title = f"{name} {now}"
            shown = f"{title}{top:>{max(0, width - len(title))}}"
            minutes = round(len(values) * series.step / 60)
            axis = f"{minutes} min ago{'now':>{max(0, width - 9)}}"
            for line, (text, style) in zip(
                lines,
                [
                    (shown, styles.BOLD),
                    *((text, styles.BARS) for text in drawn),
                    (axis, styles.DIM),
                ],
                strict=True,
            ):
                line += [(styles.fit(text, width, self._glyphs), style), (" " * _GAP, styles.PLAIN)]
        return lines
