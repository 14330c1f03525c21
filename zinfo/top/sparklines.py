"""Numbers as bars that are made of characters. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def mean(values: Sequence[float]) -> float:
    """Return the mean of what is known; NaN where nothing is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def peak(values: Sequence[float]) -> float:
    """Return the greatest of what is known; NaN where nothing is."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def thinned(
    values: Sequence[float],
    newest: int,
    width: int,
    of: Callable[[Sequence[float]], float] = mean,
) -> list[float]:
    """Return one value for each column of a picture, made of what falls into it.

    A column stands for the same stretch of time from one look to the next, so that bars move to
    the left as they are and only the newest one changes.

    Args:
        values: a value for each step; NaN for none.
        newest: the number of the step that the last value is of.
        width: columns.
        of: makes one value of several.
    """
    if width <= 0:
        return []
    size = -(-len(values) // width)
    if size <= 1:
        return [math.nan] * (width - len(values)) + list(values)
    begun = newest % size + 1  # steps of the last column that have been
    edges = range(len(values) - begun, 0, -size)
    columns = [of(values[max(0, edge - size) : edge]) for edge in edges]
    columns = [*reversed(columns), of(values[-begun:])][-width:]
    return [math.nan] * (width - len(columns)) + columns


def greatest(values: Sequence[float]) -> float | None:
    """Return the greatest value; None where there is none."""
    return max((value for value in values if math.isfinite(value)), default=None)


def plot(
    columns: Sequence[float], height: int, bars: str, *, full: float | None = None
) -> list[str]:
    """Return lines, the top one first, that show a value in each column.

    Args:
        columns: the values; NaN for none, which leaves its column empty. A value of 0 does not.
        height: lines.
        bars: characters of growing height.
        full: what the full height is; None for the greatest value.
    """
    top = (greatest(columns) or 0.0) if full is None else full
    steps = len(bars)
    levels = [
        0 if math.isnan(value) else max(1, _level(value, top, steps * height)) for value in columns
    ]
    return [
        "".join(_cell(level - steps * below, bars) for level in levels)
        for below in reversed(range(height))
    ]


def _cell(level: int, bars: str) -> str:
    return bars[min(level, len(bars)) - 1] if level > 0 else " "


def _level(value: float, top: float, most: int) -> int:
    if top <= 0 or not math.isfinite(value):
        return 0
    return min(most, round(value / top * most))
