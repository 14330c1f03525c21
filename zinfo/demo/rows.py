"""What is shown of a shard, and the short words for it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from zinfo.client.updates import Value
from zinfo.wire.lifecycle import POLLING_ERROR, RESTARTED, STATES, Event

NOTHING = "-"
"""Stands where a value is not known."""

_RUN_ID_SHOWN = 8  # of its 40 digits; enough to see that it is another one
_STEP = 1024  # from a unit of memory to the next, as Redis counts
_UNITS = "BKMGTP"


@dataclass(frozen=True, slots=True)
class Row:
    """One shard at one moment.

    Attributes:
        shard: its id.
        state: new, up, loading, busy or down.
        role: master or slave, as INFO says it; None where that is not known yet.
        version: of the server, likewise.
        ops: commands a second.
        memory: used, in bytes.
        clients: connected.
        keys: in all databases together.
        hit_ratio: part of the reads that found their key, 0 to 1; None before the first read.
        interval: seconds between polls at present.
        age: seconds since the newest INFO; infinite before the first.
        revision: number of the newest INFO.
        stale: whether the table may be behind the daemon.
    """

    shard: str
    state: str
    role: str | None = None
    version: str | None = None
    ops: int | None = None
    memory: int | None = None
    clients: int | None = None
    keys: int | None = None
    hit_ratio: float | None = None
    interval: float | None = None
    age: float = math.inf
    revision: int = 0
    stale: bool = False


def keys_in(info: Mapping[str, Value]) -> int:
    """Return the number of keys in all databases, as INFO's `db0`, `db1`, ... tell."""
    total = 0
    for name, value in info.items():
        if name.startswith("db") and name[2:].isdigit() and isinstance(value, dict):
            keys = value.get("keys")
            total += keys if isinstance(keys, int) else 0
    return total


def hit_ratio(info: Mapping[str, Value]) -> float | None:
    """Return which part of the reads since the server's start found their key."""
    hits, misses = integer(info, "keyspace_hits"), integer(info, "keyspace_misses")
    if hits is None or misses is None or not hits + misses:
        return None
    return hits / (hits + misses)


def integer(info: Mapping[str, Value], name: str) -> int | None:
    """Return a field that is a whole number; None where it is missing, or is something else."""
    value = info.get(name)
    return value if isinstance(value, int) else None


def count_text(number: int | None) -> str:
    """Return a count in four characters or less: `999`, `1.2k`, `12k`, `1.2M`."""
    if number is None:
        return NOTHING
    if number < 1000:
        return str(number)
    value, units = float(number), iter("kMGT")
    unit = ""
    while round(value) >= 1000:
        value, unit = value / 1000, next(units, "?")
    return f"{_short(value)}{unit}"


def memory_text(size: int | None) -> str:
    """Return a number of bytes in five characters or less: `1.2M`."""
    if size is None:
        return NOTHING
    value, unit = float(size), 0
    while round(value) >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{_short(value) if unit else size}{_UNITS[unit]}"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def ratio_text(ratio: float | None) -> str:
    """Return a part of one as a percentage."""
    return NOTHING if ratio is None else f"{math.floor(ratio * 100)}%"


def seconds_text(seconds: float | None) -> str:
    """Return seconds in four characters or less: `0.5s`, `12s`, `3m`, `2h`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    if seconds < 99.5:
        return f"{seconds:.0f}s"
    minutes = seconds / 60
    return f"{minutes:.0f}m" if minutes < 99.5 else f"{minutes / 60:.0f}h"


def event_text(event: Event) -> str:
    """Return what happened to a shard, in few words."""
    if event.type == POLLING_ERROR:
        return f"polling_error: {event.reason}"
    old, new = (side and side[:_RUN_ID_SHOWN] for side in (event.old, event.new))
    if event.type == RESTARTED:
        return f"restarted: run_id {old} -> {new}"
    if event.type in STATES:
        why = f": {event.reason}" if event.reason else ""
        return f"{event.type} (was {event.old}){why}"
    return f"{event.type}: {event.old} -> {event.new}" if event.old and event.new else event.type


def clock_text(time: float) -> str:
    """Return the local time of day of a wall clock's seconds."""
    return datetime.fromtimestamp(time).astimezone().strftime("%H:%M:%S")
