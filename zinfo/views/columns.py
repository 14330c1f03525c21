"""The fixed columns of the table of `zinfo demo`: content, width and sort order. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from zinfo.views.formatting import (
    NOTHING,
    count_text,
    memory_text,
    ratio_text,
    role_text,
    safe,
    seconds_text,
)
from zinfo.views.ordering import WORST_FIRST, natural
from zinfo.views.rows import Row

Key: TypeAlias = "float | str | tuple[object, ...] | None"

GAP = 1
"""Characters between two columns."""

OVERALL = "~"
"""Prefix of a hit ratio since the server's start, shown where the last interval has no reads."""

FORMER_NAMES = {"every": "interval"}
"""Former names of columns, which filters and saved sort orders may still contain."""


class Column(NamedTuple):
    """One column.

    Attributes:
        name: identifies it; used in filters, too. "" for a sparkline.
        heading: the text above it.
        width: in characters.
        right: whether it is right-aligned.
        reads: names of the fields of a `Row` that the key and the text depend on.
        key: returns the sort key of a row, None where that is unknown. None for a sparkline.
        text: returns the text of a row, at most `width` characters.
        series: of a sparkline, the field of `Series` that it draws; else "".
        falling: whether the default order is descending.
        rank: where the width does not suffice, the columns of the highest rank are left out first;
            a column of rank 0 is never left out.
        grows: the width up to which it takes unused space; 0 for a fixed width.
    """

    name: str
    heading: str
    width: int
    right: bool
    reads: tuple[str, ...] = ()
    key: Callable[[Row], Key] | None = None
    text: Callable[[Row], str] = lambda _row: ""
    series: str = ""
    falling: bool = False
    rank: int = 0
    grows: int = 0


def hits(row: Row) -> float | None:
    """Return the hit ratio of the last interval; where that has no reads, the overall one."""
    if not row.current:
        return None
    return row.hit_ratio_overall if row.hit_ratio is None else row.hit_ratio


def _ops(row: Row) -> float | None:
    return row.ops if row.current else None


def _clients(row: Row) -> float | None:
    return row.clients if row.current else None


def _hits_text(row: Row) -> str:
    text = ratio_text(hits(row))
    return text if row.hit_ratio is not None or text == NOTHING else f"{OVERALL}{text}"


def _interval(row: Row) -> float | None:
    return row.interval if row.current else None


def _age(row: Row) -> float | None:
    return row.age if math.isfinite(row.age) else None


def _status(row: Row) -> tuple[object, ...]:
    state = row.shown_state
    return WORST_FIRST.index(state) if state in WORST_FIRST else -1, row.reason


def _role(row: Row) -> str | None:
    return role_text(row.role) if row.role else None


_CURRENT = ("fresh", "state")  # fields that say whether the numbers describe the present

COLUMNS = (
    Column(
        "shard", "shard", 15, False, ("shard",), lambda row: natural(row.shard),
        lambda row: safe(row.shard), grows=26,
    ),
    Column(
        "state", "state", 14, False, (*_CURRENT, "reason"), _status, lambda row: safe(row.status)
    ),
    Column("role", "role", 7, False, ("role",), _role, lambda row: role_text(row.role)),
    Column(
        "version", "version", 7, False, ("version",),
        lambda row: natural(row.version) if row.version else None,
        lambda row: safe(row.version or NOTHING), rank=4,
    ),
    Column(
        "ops", "ops/s", 5, True, (*_CURRENT, "ops"), _ops, lambda row: count_text(_ops(row)),
        falling=True,
    ),
    Column("", "", 7, False, series="ops", rank=3),
    Column(
        "memory", "memory", 6, True, ("memory",), lambda row: row.memory,
        lambda row: memory_text(row.memory), falling=True,
    ),
    Column("", "", 7, False, series="memory", rank=7),
    Column(
        "full", "%max", 4, True, ("memory", "maxmemory"), lambda row: row.full,
        lambda row: ratio_text(row.full), falling=True, rank=9,
    ),
    Column(
        "hits", "hits", 5, True, (*_CURRENT, "hit_ratio", "hit_ratio_overall"), hits, _hits_text,
        falling=True,
    ),
    Column("", "", 7, False, series="hit_ratio", rank=6),
    Column(
        "clients", "clients", 7, True, (*_CURRENT, "clients"), _clients,
        lambda row: count_text(_clients(row)), falling=True, rank=2,
    ),
    Column(
        "keys", "keys", 5, True, ("keys",), lambda row: row.keys, lambda row: count_text(row.keys),
        falling=True, rank=5,
    ),
    Column(
        "interval", "interval", 8, True, (*_CURRENT, "interval"), _interval,
        lambda row: seconds_text(_interval(row)), rank=8,
    ),
    Column(
        "age", "age", 5, True, ("age",), _age, lambda row: seconds_text(_age(row)), falling=True,
        rank=1,
    ),
)  # fmt: skip
"""All columns, from left to right."""

SORTABLE = {column.name: column for column in COLUMNS if column.key}
"""The columns that rows can be sorted by, by name."""


def fitting(width: int, columns: Sequence[Column] = COLUMNS) -> list[Column]:
    """Return the columns that fit into a width, from left to right.

    Args:
        width: in characters.
        columns: to choose from.
    """
    shown = list(columns)
    while _width(shown) > width and any(column.rank for column in shown):
        shown.remove(max(shown, key=lambda column: column.rank))
    left = width - _width(shown)
    return [
        column._replace(width=max(1, min(column.width + left, max(column.width, column.grows))))
        if column.grows
        else column
        for column in shown
    ]


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def ordered(rows: Sequence[Row], name: str, *, reverse: bool = False) -> list[Row]:
    """Return rows sorted by a column; rows whose key is unknown come last.

    Args:
        rows: the shards.
        name: of the column.
        reverse: whether to sort against the column's default order.
    """
    column = SORTABLE[name]
    key = column.key
    assert key is not None
    known, unknown = [], []
    for row in rows:
        value = key(row)
        if value is None:
            unknown.append(row)
        else:
            known.append((value, natural(row.shard), row))
    known.sort(key=lambda entry: entry[1])
    known.sort(key=lambda entry: entry[0], reverse=column.falling != reverse)
    unknown.sort(key=lambda row: natural(row.shard))
    return [row for _, _, row in known] + unknown
