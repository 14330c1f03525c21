"""Turns rows, totals, events and a shard's fields into JSON values for the page. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from zinfo.top.daemons_text import copies_text
from zinfo.top.model import TopModel
from zinfo.views.columns import COLUMNS, Column
from zinfo.views.formatting import (
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
from zinfo.views.plots import FULL_SCALES, PLOTS, Plot
from zinfo.views.rows import FeedState, Means, Row, Series, Totals
from zinfo.views.sparklines import downsample, maximum
from zinfo.wire.lifecycle import Event

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
        changed: positions of the columns that differ from the same row in the view before.
        row: what the texts and the keys were made from.
    """

    state: str
    texts: Sequence[str]
    keys: Sequence[object]
    sparks: Sparks
    changed: Sequence[int] = ()
    row: Row | None = None


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


def cells(row: Row, sparks: Sparks, before: Cells | None = None) -> Cells:
    """Return a shard's row of the table.

    Args:
        row: the shard.
        sparks: its sparklines.
        before: the same row in the view before; what did not change is taken from it.
    """
    state = row.shown_state
    if before is None or before.row is None:
        keys = [key(row) for key in _KEYS]
        return Cells(state, _texts(row), keys, sparks, range(len(COLUMNS)), row)
    fields = zip(row, before.row, strict=True)
    other = any(new is not old and new != old for new, old in fields)
    texts, keys, changed = list(before.texts), list(before.keys), []
    for at in range(len(COLUMNS)) if other else ():
        key, text = _KEYS[at](row), COLUMNS[at].text(row)
        if text != texts[at] or key != keys[at]:
            texts[at], keys[at] = text, key
            changed.append(at)
    return Cells(state, texts, keys, sparks, changed, row)


def _key(column: Column) -> Callable[[Row], object]:
    """Return what gives the sort key of a column: fractions are as exact as their text.

    Shards whose texts are equal are then sorted by id, and do not change places each second.
    """
    key, digits = column.key, _DIGITS.get(column.name)
    if key is None:
        return lambda _row: None
    if digits is None:
        return key
    number: Callable[[Row], Any] = key  # of these columns, a number or None

    def rounded(row: Row) -> float | None:
        value = number(row)
        return None if value is None else round(value, digits)

    return rounded


_DIGITS = {"full": 3, "hits": 3, "interval": 1, "age": 1}
_KEYS = [_key(column) for column in COLUMNS]


def _texts(row: Row) -> list[str]:
    return [column.text(row) for column in COLUMNS]


def points(values: Sequence[float], top: float | None) -> list[float | None]:
    """Return the points of a plot, scaled to 0 to 1; None where there is no value.

    Args:
        values: from left to right; NaN for none.
        top: the value at full height; None for the greatest.
    """
    scale = top or maximum(values) or 1.0
    return [
        # Only NaN differs from itself; a comparison is quicker than a call of math.isnan.
        round(one / scale, 3) if one > 0 else 0.0 if one == one else None  # noqa: PLR0124
        for one in values
    ]


def sparks(means: Means) -> Sparks:
    """Return the sparklines of a row."""
    return {name: points(getattr(means, name), FULL_SCALES[name]) for name in means._fields}


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
        "daemons": state.daemons,
        "missing": state.missing,
        "seconds": state.seconds if math.isfinite(state.seconds) else None,
    }


def events(found: Sequence[Event]) -> list[list[str]]:
    """Return events as time, shard, type and text."""
    return [
        [clock_text(one.time), safe(one.shard or DAEMON), one.type, event_text(one, detailed=True)]
        for one in found
    ]


def shard(model: TopModel, name: str, now: float) -> dict[str, Any] | None:
    """Return one shard's page; None where it is not watched."""
    row, series = model.row(name, now), model.series(name, now)
    if row is None or series is None:
        return None
    return {
        "labels": labels_text(row.labels),
        "state": row.shown_state,
        "status": safe(row.status),
        "cells": _texts(row),
        "copies": copies_text(model.copies(name)),
        "sections": [
            [
                safe(section.name),
                [
                    [safe(one.name), value_text(one.value), _rate(one.rate), _rounded(one.changed)]
                    for one in section.fields
                ],
            ]
            for section in model.sections(name, now)
        ],
        "plots": [_plot(series, plot) for plot in PLOTS],
        "events": events(model.events(30, name)),
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
        self._sent: Mapping[str, Cells] = {}
        self._number = 0  # of the view that was sent

    def of(self, rows: Mapping[str, Cells], number: int = 0) -> dict[str, object]:
        """Return the changes: rows, cells and sparklines that are new, and rows that are gone.

        Args:
            rows: the rows that the page shows.
            number: of their view. If it follows the one of the last call, `Cells.changed` tells
                what changed, and nothing is compared. 0 where unknown.
        """
        sent, self._sent = self._sent, rows
        follows, self._number = number and number == self._number + 1, number
        changed, sparks = {}, {}
        for name, row in rows.items():
            before = sent.get(name)
            if before is None:
                at: Sequence[int] = range(len(row.texts))
            else:
                at = row.changed if follows else _differences(before, row)
            if before is None or at or row.state != before.state:
                texts, keys = row.texts, row.keys
                changed[name] = {
                    "state": row.state,
                    "cells": [[one, texts[one], keys[one]] for one in at],
                }
            if before is None or row.sparks is not before.sparks:
                sparks[name] = row.sparks
        gone = [name for name in sent if name not in rows]
        return {"rows": changed, "sparks": sparks, "gone": gone}


def _differences(one: Cells, other: Cells) -> list[int]:
    """Return the positions of the columns that differ."""
    return [
        at
        for at, text in enumerate(other.texts)
        if text != one.texts[at] or other.keys[at] != one.keys[at]
    ]
