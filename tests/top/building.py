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
    ops=0,
    memory=0,
    maxmemory=0,
    clients=1,
    keys=0,
    hit_ratio=None,
    hit_ratio_overall=None,
    interval=0.5,
    age=0.25,
    revision=1,
)


def row(shard: str = SHARD, **more: Any) -> Row:
    """A shard that is up and idle, except for the given values."""
    return _IDLE._replace(shard=shard, **more)
