"""Turns rows, totals, events and a shard's fields into JSON values for the page. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from zinfo.top.columns import COLUMNS
from zinfo.top.fleet import Fleet
from zinfo.top.formatting import (
    DAEMON,
    clock_text,
    count_text,
    event_text,
    labels_text,
    memory_text,
    rate_text,
    ratio_text,
    safe,
    value_text,
)
from zinfo.top.plots import FULL_SCALES, PLOTS, Plot
from zinfo.top.rows import FeedState, Row, Series, Totals
from zinfo.top.sparklines import downsample, maximum
from zinfo.wire.lifecycle import Event

SPARK_POINTS = 20
"""Points of a sparkline in the table."""

PLOT_POINTS = 150
"""Points of a plot on a shard's page."""

Sparks: TypeAlias = "dict[str, list[float | None]]"
"""The sparklines of a row, by the name of their column's series."""


class Cells(NamedTuple):
    """One shard's row in the table.

    Attributes:
        state: the shown state, which selects the colour.
        texts: of the columns, in their order.
        keys: the sort keys of the columns.
        sparks: the sparklines; replaced by another object when they change.
    """

    state: str
    texts: Sequence[str]
    keys: Sequence[object]
    sparks: Sparks


def columns() -> list[dict[str, object]]:
    """Return the columns, in the same order as in `cells`."""
    return [
        {
            "name": column.name,
            "heading": column.heading or "5 min",
            "right": column.right,
            "series": column.series,
            "falling": column.falling,
        }
        for column in COLUMNS
    ]


def cells(row: Row, sparks: Sparks) -> Cells:
    """Return a shard's row of the table."""
    keys = [None if column.key is None else column.key(row) for column in COLUMNS]
    return Cells(row.shown_state, _texts(row), keys, sparks)


def _texts(row: Row) -> list[str]:
    return [column.text(row) for column in COLUMNS]


def points(values: Sequence[float], top: float | None) -> list[float | None]:
    """Return the points of a plot, scaled to 0 to 1; None where there is no value.

    Args:
        values: from left to right; NaN for none.
        top: the value at full height; None for the greatest.
    """
    top = top or maximum(values) or 1.0
    return [None if math.isnan(one) else round(max(0.0, one) / top, 3) for one in values]


def sparks(series: Series) -> Sparks:
    """Return the sparklines of a row."""
    return {
        name: points(
            downsample(getattr(series, name), series.newest, SPARK_POINTS), FULL_SCALES[name]
        )
        for name in (column.series for column in COLUMNS)
        if name
    }


def totals(all_: Totals) -> list[list[str]]:
    """Return the totals above the table: pairs of a name and a value."""
    return [
        ["shards", str(all_.shards)],
        *([state, str(count)] for state, count in sorted(all_.states.items())),
        ["ops/s", count_text(all_.ops)],
        ["memory", memory_text(all_.memory)],
        ["clients", count_text(all_.clients)],
        ["keys", count_text(all_.keys)],
        ["hits", ratio_text(all_.hit_ratio)],
    ]


def feed(state: FeedState) -> dict[str, object]:
    """Return whether the page is current, and why not."""
    return {
        "fresh": state.fresh,
        "problem": state.problem,
        "seconds": state.seconds if math.isfinite(state.seconds) else None,
    }


def events(found: Sequence[Event]) -> list[list[str]]:
    """Return events as time, shard, type and text."""
    return [
        [clock_text(one.time), safe(one.shard or DAEMON), one.type, event_text(one, detailed=True)]
        for one in found
    ]


def shard(fleet: Fleet, name: str, now: float) -> dict[str, Any] | None:
    """Return one shard's page; None where it is not watched."""
    row, series = fleet.row(name, now), fleet.series(name, now)
    if row is None or series is None:
        return None
    return {
        "labels": labels_text(row.labels),
        "state": row.shown_state,
        "status": safe(row.status),
        "cells": _texts(row),
        "sections": [
            [
                safe(section.name),
                [
                    [safe(one.name), value_text(one.value), _rate(one.rate), _rounded(one.changed)]
                    for one in section.fields
                ],
            ]
            for section in fleet.sections(name, now)
        ],
        "plots": [_plot(series, plot) for plot in PLOTS],
        "events": events(fleet.events(30, name)),
    }


def _plot(series: Series, plot: Plot) -> dict[str, object]:
    values: Sequence[float] = getattr(series, plot.series)
    top = plot.full_scale or maximum(values)
    return {
        "name": plot.name,
        "points": points(downsample(values, series.newest, PLOT_POINTS, plot.combine), top),
        "minutes": round(len(values) * series.step / 60),
        "top": plot.text(top),
        "now": plot.text(values[-1]),
    }


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate_text(rate)}/s"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None or not math.isfinite(seconds) else round(seconds, 1)


class Changes:
    """Computes what changed in the table since the last message to a page."""

    def __init__(self) -> None:
        self._sent: dict[str, Cells] = {}

    def of(self, rows: Mapping[str, Cells]) -> dict[str, object]:
        """Return the changes: rows, cells and sparklines that are new, and rows that are gone.

        Args:
            rows: the rows that the page shows.
        """
        sent, self._sent = self._sent, dict(rows)
        changed, sparks = {}, {}
        for name, row in rows.items():
            before = sent.get(name)
            cells = [
                [at, text, key]
                for at, (text, key) in enumerate(zip(row.texts, row.keys, strict=True))
                if before is None or text != before.texts[at] or key != before.keys[at]
            ]
            if before is None or cells or row.state != before.state:
                changed[name] = {"state": row.state, "cells": cells}
            if before is None or row.sparks is not before.sparks:
                sparks[name] = row.sparks
        gone = [name for name in sent if name not in rows]
        return {"rows": changed, "sparks": sparks, "gone": gone}
