"""The widget that plots a shard's last minutes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.views.plots import PLOTS
from zinfo.views.rows import Series
from zinfo.views.sparklines import downsample, draw_bars, maximum

_GAP = 2  # columns between two plots
_WIDE = 100  # columns from which there is room for the fourth plot
_TITLE_AND_AXIS = 2  # lines above and below a plot


class Plots(Widget):
    """Plots side by side.

    Args:
        glyphs: the characters to draw with.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = "Plots { height: 6; background: ansi_default; color: ansi_default; }"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._lines: list[list[tuple[str, Style]]] = []

    def show(self, series: Series | None) -> None:
        """Show the series; None clears the widget."""
        lines = [] if series is None else self._render_plots(series)
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        return styles.strip(self._lines[y] if y < len(self._lines) else [], self.size.width)

    def _render_plots(self, series: Series) -> list[list[tuple[str, Style]]]:
        plots = PLOTS if self.size.width >= _WIDE else PLOTS[:-1]
        height = max(1, self.size.height - _TITLE_AND_AXIS)
        width = (self.size.width - _GAP * (len(plots) - 1)) // len(plots)
        lines: list[list[tuple[str, Style]]] = [[] for _ in range(height + _TITLE_AND_AXIS)]
        for name, attribute, text_of, combine, full_scale in plots:
            values: Sequence[float] = getattr(series, attribute)
            greatest = maximum(values)
            now = text_of(values[-1])
            columns = downsample(values, series.newest, width, combine)
            drawn = draw_bars(columns, height, self._glyphs.bars, full_scale=full_scale or greatest)
            top = "" if greatest is None else f"max {text_of(full_scale or greatest)}"
            title = f"{name} {now}"
            shown = f"{title}{top:>{max(0, width - len(title))}}"
            minutes = round(len(values) * series.step / 60)
            ago = f"{minutes} min ago"
            axis = f"{ago}{'now':>{max(0, width - len(ago))}}"
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
