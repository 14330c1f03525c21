"""What is drawn of a shard's last minutes, and how, in whichever view. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from zinfo.top.formatting import count_text, memory_text, ratio_text
from zinfo.top.sparklines import mean, peak


class Measure(NamedTuple):
    """Some numbers of a shard.

    Attributes:
        name: above their plot.
        series: their name in `Series`.
        text: says one of them.
        of: makes one of several that share a column of a plot.
        full: what the height of a plot stands for; None for the greatest of them.
    """

    name: str
    series: str
    text: Callable[[float | None], str]
    of: Callable[[Sequence[float]], float] = peak
    full: float | None = None


MEASURES = (
    Measure("ops/s", "ops", count_text),
    Measure("memory", "memory", memory_text),
    Measure("hit ratio", "hit_ratio", ratio_text, mean, 1.0),
    Measure("clients", "clients", count_text),
)
"""All of them; what matters most comes first."""

FULL = {measure.series: measure.full for measure in MEASURES}
"""Of each, by its name in `Series`, what the height of a picture stands for."""
