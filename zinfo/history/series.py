"""The series of a history: their names, the fields they are computed from, and their values. Pure.

A number that an INFO does not have is NaN. Rates are those of counters between two INFO. Counters
start from 0 again after a restart or CONFIG RESETSTAT; then there is no rate. `history.c` of
`zinfo.native` computes the same.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Final

from zinfo.info.cells import encoded_names, read_cells
from zinfo.info.columns import FRACTION, INTEGER

SERIES: Final[Mapping[str, tuple[str, ...]]] = {
    "ops": ("total_commands_processed", "instantaneous_ops_per_sec"),
    "memory": ("used_memory",),
    "hit_ratio": ("keyspace_hits", "keyspace_misses"),
    "clients": ("connected_clients",),
    "net_in": ("total_net_input_bytes",),
    "net_out": ("total_net_output_bytes",),
    "evicted": ("evicted_keys",),
    "lag": ("master_link_down_since_seconds", "master_last_io_seconds_ago"),
}
"""The series in their order, each with the fields of INFO that its values are computed from."""

RESET_MARKERS: Final = (
    "uptime_in_seconds",
    "total_connections_received",
    "total_commands_processed",
    "total_net_input_bytes",
    "keyspace_hits",
    "keyspace_misses",
)
"""Counters that are reset together with all others, and otherwise never decrease."""

COUNTERS: Final = (*RESET_MARKERS, "total_net_output_bytes", "evicted_keys")
"""The fields whose numbers in the INFO before are needed, too."""

FIELDS: Final = (
    *COUNTERS,
    "instantaneous_ops_per_sec",
    "used_memory",
    "connected_clients",
    "master_link_down_since_seconds",
    "master_last_io_seconds_ago",
)
"""The fields that are read."""

NAMES, KINDS = encoded_names(FIELDS)

_COUNT: Final = len(FIELDS)
_INTEGERS: Final = struct.Struct(f"<{_COUNT}q")
_FRACTIONS: Final = struct.Struct(f"<{_COUNT}d")


def numbers_of(raw: bytes) -> list[float]:
    """Return the numbers of `FIELDS` in a reply, in their order."""
    cells = read_cells(raw, NAMES, KINDS)
    integers, fractions = (
        _INTEGERS.unpack_from(cells, _COUNT),
        _FRACTIONS.unpack_from(cells, _COUNT),
    )
    found = []
    for mark, integer, fraction in zip(cells, integers, fractions, strict=False):
        other = fraction if mark == FRACTION else math.nan
        found.append(float(integer) if mark == INTEGER else other)
    return found


def numbers_of_fields(fields: Mapping[str, object]) -> list[float]:
    """Return the numbers of `FIELDS` in a parsed INFO, in their order."""
    found = map(fields.get, FIELDS)
    return [float(value) if isinstance(value, (int, float)) else math.nan for value in found]


def values_of(now: Sequence[float], before: Sequence[float], seconds: float) -> list[float]:
    """Return a value for each of `SERIES`, in their order; NaN where there is none.

    Args:
        now: the numbers of `FIELDS` in an INFO.
        before: those of `COUNTERS` in an earlier INFO of this server.
        seconds: between the two; 0 for no rates.
    """
    counters = list(zip(now[: len(COUNTERS)], before, strict=True))
    if seconds > 0 and not any(new < old for new, old in counters[: len(RESET_MARKERS)]):
        grown = [new - old for new, old in counters]
    else:
        grown = [math.nan] * len(counters)
    _up, _connects, commands, net_in, hits, misses, net_out, evicted = grown
    ops, memory, clients, link_down, last_io = now[len(counters) :]
    reads = hits + misses
    return [
        commands / seconds if commands >= 0 else ops,
        memory,
        hits / reads if reads > 0 else math.nan,
        clients,
        *(count / seconds if count >= 0 else math.nan for count in (net_in, net_out, evicted)),
        link_down if link_down >= 0 else last_io if last_io >= 0 else math.nan,
    ]
