"""Draws series of numbers as bars made of characters. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are not NaN; NaN where there are none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def peak(values: Sequence[float]) -> float:
    """Return the greatest of the values that are not NaN; NaN where there are none."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def downsample(
    values: Sequence[float],
    newest: int,
    width: int,
    combine: Callable[[Sequence[float]], float] = mean,
) -> list[float]:
    """Return one value per column of a plot.

    The boundaries of columns are fixed in time, not relative to now: from one redraw to the next
    bars only move to the left, and only the newest one changes its height.

    Args:
        values: one value per step; NaN for none.
        newest: the number of the last value's step.
        width: number of columns.
        combine: makes one value of those that share a column.
    """
    if width <= 0:
        return []
    size = -(-len(values) // width)
    if size <= 1:
        return [math.nan] * (width - len(values)) + list(values)
    begun = newest % size + 1  # steps in the newest column so far
    edges = range(len(values) - begun, 0, -size)
    columns = [combine(values[max(0, edge - size) : edge]) for edge in edges]
    columns = [*reversed(columns), combine(values[-begun:])][-width:]
    return [math.nan] * (width - len(columns)) + columns


def maximum(values: Sequence[float]) -> float | None:
    """Return the greatest finite value; None where there is none."""
    return max([value for value in values if math.isfinite(value)], default=None)


def draw_bars(
    columns: Sequence[float], height: int, bars: str, *, full_scale: float | None = None
) -> list[str]:
    """Return the lines of a bar chart, the top one first.

    Args:
        columns: the values. NaN leaves its column empty; 0 is drawn as the lowest bar.
        height: number of lines.
        bars: characters of growing height.
        full_scale: the value at full height; None for the greatest value.
    """
    top = (maximum(columns) or 0.0) if full_scale is None else full_scale
    steps = len(bars)
    levels = [
        0 if math.isnan(value) else max(1, _level(value, top, steps * height)) for value in columns
    ]
    return [
        "".join(_cell(level - steps * below, bars) for level in levels)
        for below in reversed(range(height))
    ]


def draw_sparkline(columns: Sequence[float], bars: str) -> str:
    """Return a bar for each value, scaled by the least and the greatest of them.

    Args:
        columns: the values. NaN, a gap, is a space; equal values are bars of half the height.
        bars: characters of growing height.
    """
    known = [value for value in columns if math.isfinite(value)]
    if not known:
        return " " * len(columns)
    least, most, steps = min(known), max(known), len(bars) - 1
    if least == most:
        middle = bars[steps // 2]
        return "".join(middle if math.isfinite(value) else " " for value in columns)
    return "".join(
        bars[round((value - least) / (most - least) * steps)] if math.isfinite(value) else " "
        for value in columns
    )


def _cell(level: int, bars: str) -> str:
    return bars[min(level, len(bars)) - 1] if level > 0 else " "


def _level(value: float, top: float, limit: int) -> int:
    if top <= 0 or not math.isfinite(value):
        return 0
    return min(limit, round(value / top * limit))
