"""What the page is told: rows, totals, events, a shard's fields, in values that JSON has. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from zinfo.client.updates import Event
from zinfo.top.columns import COLUMNS
from zinfo.top.fleet import Fleet
from zinfo.top.rows import FeedState, Row, Series, Totals
from zinfo.top.sparks import greatest, thinned
from zinfo.top.texts import (
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

SPARK_POINTS = 20  # of the small pictures in the table
PLOT_POINTS = 150  # of the large ones on a shard's page

_SERIES = ("ops", "memory", "hit_ratio", "clients")
_WHOLE = {"hit_ratio": 1.0}  # what is at the top of a picture; else the greatest value is


class Cells(NamedTuple):
    """One shard's row in the table.

    Attributes:
        state: for its colour: new, up, loading, busy, down or stale.
        texts: of the columns, in their order.
        keys: by which each column is sorted.
    """

    state: str
    texts: Sequence[str]
    keys: Sequence[object]


def columns() -> list[dict[str, object]]:
    """Return the columns' headings; the same number and order as in `cells`."""
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


def cells(row: Row) -> Cells:
    """Return a shard's row."""
    texts = [column.text(row) for column in COLUMNS]
    keys = [None if column.key is None else column.key(row) for column in COLUMNS]
    return Cells(row.state if row.fresh else "stale", texts, keys)


def points(values: Sequence[float], newest: int, count: int, name: str) -> list[float | None]:
    """Return a picture's points: 0 is its foot and 1 its top; None where there is no value."""
    shown = thinned(values, newest, count)
    top = _WHOLE.get(name) or greatest(shown) or 1.0
    return [None if math.isnan(one) else round(max(0.0, one) / top, 3) for one in shown]


def sparks(series: Series) -> dict[str, list[float | None]]:
    """Return the small pictures of a row, by the name of their column's series."""
    return {
        column.series: points(
            getattr(series, column.series), series.newest, SPARK_POINTS, column.series
        )
        for column in COLUMNS
        if column.series
    }


def totals(all_: Totals) -> list[list[str]]:
    """Return what stands above the table: pairs of a word and a value."""
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
    """Return whether what is shown can be relied on."""
    return {
        "fresh": state.fresh,
        "problem": state.problem,
        "seconds": state.seconds if math.isfinite(state.seconds) else None,
    }


def events(found: Sequence[Event]) -> list[list[str]]:
    """Return events as time, shard, type and text."""
    return [
        [clock_text(one.time), safe(one.shard or DAEMON), one.type, event_text(one)]
        for one in found
    ]


def shard(fleet: Fleet, name: str, now: float) -> dict[str, object] | None:
    """Return one shard's page; None where it is not watched."""
    row, series = fleet.row(name, now), fleet.series(name, now)
    if row is None or series is None:
        return None
    return {
        "shard": safe(name),
        "labels": labels_text(row.labels),
        "state": row.state if row.fresh else "stale",
        "status": safe(row.status),
        "cells": cells(row).texts,
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
        "plots": [_plot(series, which) for which in _SERIES],
        "events": events(fleet.events(30, name)),
    }


def _plot(series: Series, name: str) -> dict[str, object]:
    values: Sequence[float] = getattr(series, name)
    known = [one for one in values if not math.isnan(one)]
    text = {"memory": memory_text, "hit_ratio": ratio_text}.get(name, count_text)
    return {
        "name": name.replace("_", " ").replace("ops", "ops/s"),
        "points": points(values, series.newest, PLOT_POINTS, name),
        "minutes": round(len(values) * series.step / 60),
        "top": text(_WHOLE.get(name) or greatest(values)),
        "now": text(known[-1] if known else None),
    }


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate_text(rate)}/s"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None or not math.isfinite(seconds) else round(seconds, 1)


class Changes:
    """What one page has been told of the table, so that only what is new is told."""

    def __init__(self) -> None:
        self._told: dict[str, Cells] = {}

    def of(self, rows: Mapping[str, Cells]) -> dict[str, object]:
        """Return what changed: new rows and cells, and rows that are gone.

        Args:
            rows: those that the page is to show.
        """
        told, self._told = self._told, dict(rows)
        changed = {}
        for name, row in rows.items():
            before = told.get(name)
            if before is None:
                changed[name] = {
                    "state": row.state,
                    "cells": list(_pairs(row, range(len(row.texts)))),
                }
            elif before != row:
                at = [
                    index
                    for index, text in enumerate(row.texts)
                    if text != before.texts[index] or row.keys[index] != before.keys[index]
                ]
                changed[name] = {"state": row.state, "cells": list(_pairs(row, at))}
        return {"rows": changed, "gone": [name for name in told if name not in rows]}


def _pairs(row: Cells, at: Sequence[int]) -> list[list[object]]:
    return [[index, row.texts[index], row.keys[index]] for index in at]
