"""The updates that a subscriber receives, as frozen dataclasses. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeAlias, TypeVar, cast

from zinfo.wire.lifecycle import Event

Value: TypeAlias = "int | float | str | list[Value] | dict[str, Value]"
Info: TypeAlias = "dict[str, Value]"

_Some = TypeVar("_Some", bound="Value")


def copied(value: _Some) -> _Some:
    """Return a copy that shares nothing that can be changed; much quicker than copy.deepcopy."""
    if isinstance(value, dict):
        return cast("_Some", {name: copied(item) for name, item in value.items()})
    if isinstance(value, list):
        return cast("_Some", [copied(item) for item in value])
    return value


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole INFO of a shard after one poll.

    Attributes:
        shard: id of the shard.
        revision: number of the INFO; it increases by 1 with each successful poll.
        time: wall clock at the daemon, seconds since the Unix epoch.
        info: field to value.
    """

    shard: str
    revision: int
    time: float
    info: Info


@dataclass(frozen=True, slots=True)
class Delta:
    """What one poll of a shard changed.

    Attributes:
        shard: id of the shard.
        revision: number of the INFO; it increases by 1 with each successful poll.
        base: revision to which this delta applies; 0 for none: `set` is the whole INFO.
        time: wall clock at the daemon, seconds since the Unix epoch.
        set: fields that are new or have another value.
        unset: fields that are gone.
    """

    shard: str
    revision: int
    base: int
    time: float
    set: Info
    unset: tuple[str, ...]

    def applied_to(self, info: Mapping[str, Value]) -> Info:
        """Return the INFO at `revision`.

        Args:
            info: the INFO at `base`; it is not changed.
        """
        result = dict(info) if self.base else {}
        result.update(self.set)
        for name in self.unset:
            result.pop(name, None)
        return result


def make_delta(
    shard: str, revision: int, base: int, time: float, changed: Info, unset: tuple[str, ...]
) -> Delta:
    """Return a Delta in a third of the time that its constructor takes; arguments as there.

    The constructor of a frozen dataclass calls `object.__setattr__`, which looks each name up.
    """
    delta = _new_delta(Delta)
    _set_shard(delta, shard)
    _set_revision(delta, revision)
    _set_base(delta, base)
    _set_time(delta, time)
    _set_set(delta, changed)
    _set_unset(delta, unset)
    return delta


_new_delta = object.__new__
_set_shard, _set_revision, _set_base, _set_time, _set_set, _set_unset = (
    getattr(Delta, field.name).__set__ for field in fields(Delta)
)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat of the daemon, with the totals of what it has published in this epoch.

    Attributes:
        node: name of the daemon.
        epoch: random number that identifies this run of the daemon.
        beat: number of this heartbeat; 0 for the totals that come with a fence.
        time: wall clock at the daemon, seconds since the Unix epoch.
        interval: seconds from one heartbeat to the next.
        shards: live shards.
        events: lifecycle events so far.
        revisions: successful polls so far, of all shards together.
    """

    node: str
    epoch: int
    beat: int
    time: float
    interval: float
    shards: int
    events: int
    revisions: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages are missing: stored data of `shard`, or of all shards, may be out of date.

    Attributes:
        shard: id of the shard; None where it may be any.
        kind: "info", "delta" or "event".
        expected: sequence number or total that should have come; None where unknown.
        got: the one that came; None where unknown.
    """

    shard: str | None
    kind: str
    expected: int | None
    got: int | None


@dataclass(frozen=True, slots=True)
class Stale:
    """The bus is silent or disconnected: stored data may be out of date until messages come again.

    Attributes:
        seconds: since the last heartbeat.
        reason: one line for people.
    """

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Restart:
    """Another daemon, or the same one started again: all its counters start again.

    Attributes:
        node: name of the daemon.
        old_epoch: random number that identifies the previous run.
        epoch: random number that identifies this run.
    """

    node: str
    old_epoch: int
    epoch: int


Change: TypeAlias = "Delta | Event"
"""What a Mirror reports to listeners."""

Update: TypeAlias = "Snapshot | Delta | Event | Heartbeat | Gap | Stale | Restart"
