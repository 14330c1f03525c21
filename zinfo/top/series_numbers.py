"""Computes the numbers of the series from the fields of an INFO, and sums of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from zinfo.client.updates import Value
from zinfo.top.history import SERIES

_OPS, _MEMORY, _HIT_RATIO = (SERIES.index(one) for one in ("ops", "memory", "hit_ratio"))
_LAG = SERIES.index("lag")
_LEAST_WEIGHT = 1e-6  # commands per second; shards without commands are weighed equally


def series_numbers(
    info: Mapping[str, Value], rates: Mapping[str, float | None]
) -> tuple[float, ...]:
    """Return the number of each of `history.SERIES`, NaN where it is unknown.

    They are the same as in the daemon's history.

    Args:
        info: the fields of the INFO.
        rates: growth per second of its counters since the INFO before.
    """
    ops = rates.get("total_commands_processed")
    return (
        _number(info.get("instantaneous_ops_per_sec")) if ops is None else ops,
        _number(info.get("used_memory")),
        _ratio(rates.get("keyspace_hits"), rates.get("keyspace_misses")),
        _number(info.get("connected_clients")),
        _number(rates.get("total_net_input_bytes")),
        _number(rates.get("total_net_output_bytes")),
        _number(rates.get("evicted_keys")),
        _lag(info),
    )


def _number(value: Value | None) -> float:
    return value if isinstance(value, (int, float)) else math.nan


def _ratio(hits: float | None, misses: float | None) -> float:
    if hits is None or misses is None or hits + misses <= 0:
        return math.nan
    return hits / (hits + misses)


def _lag(info: Mapping[str, Value]) -> float:
    """Return the seconds since a replica last heard of its primary; NaN of a primary."""
    for name in ("master_link_down_since_seconds", "master_last_io_seconds_ago"):
        value = _number(info.get(name))
        if value >= 0:
            return value
    return math.nan


def summed(columns: Sequence[Sequence[float]], primaries: Collection[bool]) -> list[float]:
    """Return the numbers of several shards together, as `zinfo.views.totals` does.

    Of memory it is the sum over the shards that are not replicas; of the lag the greatest; of the
    hit ratio the mean, weighted by the commands of each shard, as the number of reads is unknown.

    Args:
        columns: for each of `history.SERIES` the numbers of all shards.
        primaries: whether each is not a replica.
    """
    sums = [_sum(column) for column in columns]
    own = [one for one, is_one in zip(columns[_MEMORY], primaries, strict=True) if is_one]
    sums[_MEMORY] = _sum(own)
    sums[_LAG] = max([one for one in columns[_LAG] if one >= 0], default=math.nan)
    weighed = [
        (ratio, ops + _LEAST_WEIGHT)
        for ratio, ops in zip(columns[_HIT_RATIO], columns[_OPS], strict=True)
        if ratio >= 0 and ops >= 0
    ]
    weight = math.fsum(ops for _, ops in weighed)
    sums[_HIT_RATIO] = math.fsum(one * ops for one, ops in weighed) / weight if weight else math.nan
    return sums


def _sum(column: Sequence[float]) -> float:
    """Return the sum of the numbers that are known; NaN where none is."""
    known = [one for one in column if one == one]  # noqa: PLR0124 (only NaN differs from itself)
    return math.fsum(known) if known else math.nan
