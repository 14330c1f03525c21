"""Draws plots with axes as lines of text. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.style import Style

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.views.formatting import NOTHING, seconds_text, short_text
from zinfo.views.quantities import QUANTITIES, RATIO, Quantity
from zinfo.views.rows import Series
from zinfo.views.sparklines import downsample, draw_bars, mean, peak

AXIS = 6
"""Columns of the vertical axis."""

FRAME = 2
"""Lines of a plot beside its bars: the title and the time axis."""

PLOTTED = tuple(one for one in QUANTITIES.values() if one.series)
"""What is plotted, the most important first."""

_BASIC = ("ops", "memory", "hit_ratio", "clients")  # series that are plotted even without a value
_MEANS = ("memory", "hit_ratio")  # series of which a column shows the mean; of others the greatest
_FROM_LEAST = ("memory",)  # series whose axis begins at the least value, so that changes are seen
_MARK_WIDTH = 12  # columns that a time on the axis needs
_MINUTE = 60.0

Parts = list[tuple[str, Style]]


class Picture(NamedTuple):
    """A plot of one series.

    Attributes:
        quantity: what is plotted.
        columns: the values, one for each column; NaN for none.
        low, high: the ends of the vertical axis; None where no value is known.
        seconds: from the first value to the last.
    """

    quantity: Quantity
    columns: Sequence[float]
    low: float | None
    high: float | None
    seconds: float

    def text(self, value: float | None) -> str:
        """Return a value as text."""
        known = value is not None and math.isfinite(value)
        return short_text(value, self.quantity.unit) if known else NOTHING


def plotted(series: Series) -> list[Quantity]:
    """Return what is plotted of a shard: the basic series, and others that have a value."""
    return [
        one
        for one in PLOTTED
        if one.series in _BASIC or any(value > 0 for value in getattr(series, one.series))
    ]


def picture(quantity: Quantity, series: Series, width: int) -> Picture:
    """Return a plot of a quantity.

    Args:
        quantity: one of `PLOTTED`.
        series: the last minutes.
        width: number of columns.
    """
    values: Sequence[float] = getattr(series, quantity.series)
    combine: Callable[[Sequence[float]], float] = mean if quantity.series in _MEANS else peak
    columns = downsample(values, series.newest, width, combine)
    known = [value for value in columns if math.isfinite(value)]
    low = high = None
    if known:
        low = min(known) if quantity.series in _FROM_LEAST else 0.0
        high = 1.0 if quantity.unit == RATIO else max(known)
    return Picture(quantity, columns, low, high, len(values) * series.step)


def bars(one: Picture, height: int, glyphs: Glyphs) -> list[str]:
    """Return the lines of the bars; a gap is blank, a constant is of half the height."""
    if one.low is None or one.high is None:
        return [" " * len(one.columns)] * height
    span = one.high - one.low
    if span <= 0:
        return draw_bars(
            [value * 0 + 0.5 if math.isfinite(value) else math.nan for value in one.columns],
            height, glyphs.bars, full_scale=1.0,
        )  # fmt: skip
    return draw_bars(
        [value - one.low for value in one.columns], height, glyphs.bars, full_scale=span
    )


def draw(
    one: Picture, present: str, height: int, glyphs: Glyphs, cursor: int | None = None
) -> list[Parts]:
    """Return the lines of a plot: title, bars with the vertical axis, and the time axis.

    Args:
        one: the plot.
        present: text of the value now.
        height: lines of the bars.
        glyphs: the characters to draw with.
        cursor: the column whose value is shown; None for the ends of the axis.
    """
    width = AXIS + len(one.columns)
    title = f"{one.quantity.heading} {present}"
    right = _about(one) if cursor is None else _at_cursor(one, cursor)
    room = max(0, width - len(title) - 1)
    lines: list[Parts] = [
        [
            (styles.fit(title, min(width, len(title)), glyphs), styles.BOLD),
            (styles.fit(right, max(room, 0) + 1, glyphs, right=True), styles.DIM),
        ]
    ]
    for at, text in enumerate(bars(one, height, glyphs)):
        label = one.text(one.high) if at == 0 else one.text(one.low) if at == height - 1 else ""
        line: Parts = [(f"{label:>{AXIS - 1}} "[:AXIS], styles.DIM)]
        if cursor is None:
            line.append((text, styles.BARS))
        else:
            line += [
                (text[:cursor], styles.BARS),
                (text[cursor : cursor + 1], styles.BARS + styles.CURSOR),
                (text[cursor + 1 :], styles.BARS),
            ]
        lines.append(line)
    lines.append([(" " * AXIS + _time_axis(one, len(one.columns)), styles.DIM)])
    return lines


def _about(one: Picture) -> str:
    known = [value for value in one.columns if math.isfinite(value)]
    return f"{one.text(min(known))} to {one.text(max(known))}" if known else "no values"


def _at_cursor(one: Picture, cursor: int) -> str:
    ago = one.seconds * (len(one.columns) - 1 - cursor) / max(1, len(one.columns))
    when = f"{seconds_text(ago)} ago" if ago else "now"
    return f"{one.text(one.columns[cursor])} {when}"


def _time_axis(one: Picture, width: int) -> str:
    """Return the axis: minutes before now at regular places."""
    minutes = one.seconds / _MINUTE
    step = next(
        (step for step in (1, 2, 5, 10, 15, 30, 60) if minutes / step * _MARK_WIDTH <= width), 120
    )
    axis = [" "] * width
    for ago in range(0, int(minutes) + 1, step):
        text = f"-{ago}m" if ago else "now"
        end = width - round(width * ago / minutes) + (0 if not ago else len(text))
        begin = max(0, min(width, end) - len(text))
        if "".join(axis[begin : begin + len(text)]).strip() == "":
            axis[begin : begin + len(text)] = text
    return "".join(axis)[:width]
