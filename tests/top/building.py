"""Short forms for deltas, statuses, events and rows of the model."""

from __future__ import annotations

from typing import Any

from zinfo.client import Delta, Event
from zinfo.client.updates import Info
from zinfo.top.record import Status
from zinfo.views.rows import Row

SHARD = "db-1:6379"


def delta(
    revision: int,
    time: float,
    fields: Info,
    *,
    base: int | None = None,
    unset: tuple[str, ...] = (),
    shard: str = SHARD,
) -> Delta:
    """A delta against the revision before, or against `base`."""
    return Delta(shard, revision, revision - 1 if base is None else base, time, fields, unset)


def whole(revision: int, time: float, fields: Info, *, shard: str = SHARD) -> Delta:
    """A delta that has the whole INFO."""
    return delta(revision, time, fields, base=0, shard=shard)


def status(
    state: str = "up",
    reason: str = "",
    *,
    labels: dict[str, str] | None = None,
    age: float = 0.0,
) -> Status:
    """How a shard does."""
    return Status(state, reason, labels or {}, age)


def event(number: int, kind: str = "up", *, shard: str = SHARD, time: float = 0.0) -> Event:
    """An event of a shard."""
    return Event(shard, kind, "new", kind, "", "", number, number, time)


_IDLE = Row(
    shard=SHARD,
    labels={},
    state="up",
    reason="",
    fresh=True,
    role="master",
    version="7.0.15",
    interval=0.5,
    age=0.25,
    revision=1,
)

_FIELDS = {
    "ops": "instantaneous_ops_per_sec",
    "memory": "used_memory",
    "maxmemory": "maxmemory",
    "clients": "connected_clients",
    "keys": "db0",
}
"""Fields of INFO that a test may give by these names."""


def row(
    shard: str = SHARD,
    *,
    hit_ratio: float | None = None,
    hit_ratio_overall: float | None = None,
    **more: Any,
) -> Row:
    """A shard that is up and idle, except for the given values.

    Args:
        shard: its id.
        hit_ratio: of the last interval.
        hit_ratio_overall: since the start of the server.
        **more: attributes of the row, or names of `_FIELDS`.
    """
    info: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        value = more.pop(name, None)
        if value is not None:
            info[field] = {"keys": value} if name == "keys" else value
    if hit_ratio_overall is not None:
        info |= {"keyspace_hits": hit_ratio_overall, "keyspace_misses": 1 - hit_ratio_overall}
    rates = {} if hit_ratio is None else {"keyspace_hits": hit_ratio}
    if rates:
        rates["keyspace_misses"] = 1 - rates["keyspace_hits"]
    return _IDLE._replace(shard=shard, **{"info": info, "rates": rates, **more})
