"""Which numbers of a shard are plotted, and how, in every view. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from zinfo.views.formatting import count_text, memory_text, ratio_text
from zinfo.views.sparklines import mean, peak


class Plot(NamedTuple):
    """A plot of one number of a shard.

    Attributes:
        name: the title.
        series: the field of `Series` that it shows.
        text: formats a value.
        combine: combines the values that share a column of the plot.
        full_scale: the value at full height; None for the greatest value shown.
    """

    name: str
    series: str
    text: Callable[[float | None], str]
    combine: Callable[[Sequence[float]], float] = peak
    full_scale: float | None = None


PLOTS = (
    Plot("ops/s", "ops", count_text),
    Plot("memory", "memory", memory_text),
    Plot("hit ratio", "hit_ratio", ratio_text, mean, 1.0),
    Plot("clients", "clients", count_text),
)
"""All plots, the most important first."""

FULL_SCALES = {plot.series: plot.full_scale for plot in PLOTS}
"""The full scale of each, by its field of `Series`."""
