"""Totals of any rows: of all shards, of those that a filter shows, of a group. Pure.

Only rows that are current count. Memory and keys of replicas are copies of those of their
primaries, and are not added to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from zinfo.views.column_values import column, numbers_of
from zinfo.views.expressions import Expression, number
from zinfo.views.peers import REPLICA_ROLE
from zinfo.views.quantities import (
    MAX,
    PRIMARIES,
    QUANTITIES,
    RATIO_OF_SUMS,
    SUM,
    Quantity,
)
from zinfo.views.rows import Row


class Totals(NamedTuple):
    """The totals of some rows. A number is None where no current row has it.

    Attributes:
        shards: number of rows.
        current: number of rows that are current; only these are in the numbers below.
        states: number of rows by shown state: "up", "down", ..., and "stale".
        primaries: number of rows that are no replicas, current or not.
        replicas: number of rows that are replicas.
        ops: commands per second, of primaries and replicas.
        memory: bytes used by primaries.
        memory_replicas: bytes used by replicas.
        keys: keys of primaries.
        clients: connected clients, of primaries and replicas.
        hits: share of all reads that found their key, 0 to 1.
        fullest: the greatest share of maxmemory in use, 0 to 1.
        fullest_shard: id of the shard that it is; "" where `fullest` is None.
    """

    shards: int
    current: int
    states: Mapping[str, int]
    primaries: int
    replicas: int
    ops: float | None
    memory: float | None
    memory_replicas: float | None
    keys: float | None
    clients: float | None
    hits: float | None
    fullest: float | None
    fullest_shard: str


def totals(rows: Sequence[Row]) -> Totals:
    """Return the totals of some rows."""
    current = [row for row in rows if row.current]
    replicas = [row for row in current if row.role == REPLICA_ROLE]
    primaries = [row for row in current if row.role != REPLICA_ROLE]
    all_replicas = sum([row.role == REPLICA_ROLE for row in rows])
    shares = numbers_of(QUANTITIES["full"], current)
    fullest = max([share for share in shares if share is not None], default=None)
    memory = QUANTITIES["memory"]
    return Totals(
        len(rows),
        len(current),
        Counter([row.shown_state for row in rows]),
        len(rows) - all_replicas,
        all_replicas,
        _combined(QUANTITIES["ops"], current),
        _combined(memory, primaries),
        _combined(memory, replicas),
        _combined(QUANTITIES["keys"], primaries),
        _combined(QUANTITIES["clients"], current),
        _combined(QUANTITIES["hits"], current),
        fullest,
        "" if fullest is None else current[shares.index(fullest)].shard,
    )


def total_of(one: Quantity, rows: Sequence[Row]) -> float | None:
    """Return the total of a quantity, as its `total` says.

    Args:
        one: the quantity.
        rows: the shards; those that are not current are left out.

    Returns:
        None where no current row has the value, or where the quantity has no total.
    """
    primaries = one.total == PRIMARIES
    return _combined(
        one,
        [row for row in rows if row.current and not (primaries and row.role == REPLICA_ROLE)],
    )


def _combined(one: Quantity, current: Sequence[Row]) -> float | None:
    """Return the total of rows that are all current, and of those that count."""
    if one.total == RATIO_OF_SUMS:
        return _ratio(one.expression, current)
    if one.total not in (SUM, PRIMARIES, MAX):
        return None
    values = numbers_of(one._replace(live=False), current)
    known = [value for value in values if value is not None]
    if not known:
        return None
    return max(known) if one.total == MAX else sum(known)


def _ratio(expression: Expression, current: Sequence[Row]) -> float | None:
    """Return the sum of the dividends divided by the sum of the divisors."""
    upper, lower = (column(cast("Expression", part), current) for part in expression[1:])
    pairs = [(number(one), number(other)) for one, other in zip(upper, lower, strict=True)]
    known = [(one, other) for one, other in pairs if one is not None and other is not None]
    divisor = sum([other for _, other in known])
    return sum([one for one, _ in known]) / divisor if divisor > 0 else None
