"""The immutable values that the model gives to views. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from zinfo.client.updates import Value
from zinfo.views.formatting import STALE, role_text
from zinfo.wire.lifecycle import LOADING, UP

KEYLESS = ("garnet_version", "sentinel_masters")
"""Fields of servers whose INFO never has databases. Others leave out those that are empty."""

ANSWERING = frozenset({UP, LOADING})
"""States in which a shard answers INFO, so that its newest INFO is current."""

_LATE_INTERVALS = 3  # an INFO older than so many polling intervals is late
_LATE_SECONDS = 4.0  # and not before this age


class Row(NamedTuple):
    """One shard at one moment.

    Attributes:
        shard: its id.
        labels: by name.
        state: new, up, loading, busy or down.
        reason: why it is down, in one word; else "".
        fresh: whether the row is what the daemon has; False also while the daemon does not respond.
        role: "master" or "slave", as in INFO; None where unknown.
        version: of the server; None where unknown.
        interval: seconds between the last two polls; None before the second.
        age: seconds since the newest INFO; infinite before the first.
        revision: number of the newest INFO; 0 before the first.
        error: newest error of a shard that is down, with what to do; else "".
        since: seconds for which it has been in its state; None where unknown.
        info: the fields of INFO that were read.
        rates: growth per second of counters between the last two polls, by field, or by
            `FIELD.KEY` for an item of a map; None or missing where unknown.
    """

    shard: str
    labels: Mapping[str, str]
    state: str
    reason: str
    fresh: bool
    role: str | None
    version: str | None
    interval: float | None
    age: float
    revision: int
    error: str = ""
    since: float | None = None
    info: Mapping[str, Value] = MappingProxyType({})
    rates: Mapping[str, float | None] = MappingProxyType({})

    @property
    def shown_state(self) -> str:
        """The state; STALE where the row is not fresh."""
        return self.state if self.fresh else STALE

    @property
    def shown_role(self) -> str:
        """The role for people: "primary" or "replica"; "" where it is unknown."""
        return role_text(self.role) if self.role else ""

    @property
    def status(self) -> str:
        """The shown state and its reason: "up", "down: refused", "stale"."""
        if not self.fresh:
            return STALE
        return f"{self.state}: {self.reason}" if self.reason else self.state

    @property
    def ops(self) -> float | None:
        """Commands per second; like the properties below, for views without quantities."""
        reported = _number(self.info.get("instantaneous_ops_per_sec"))
        return self.rates.get("total_commands_processed") if reported is None else reported

    @property
    def memory(self) -> float | None:
        """Bytes used."""
        return _number(self.info.get("used_memory"))

    @property
    def maxmemory(self) -> float | None:
        """Limit of memory in bytes; 0 for no limit."""
        return _number(self.info.get("maxmemory"))

    @property
    def clients(self) -> float | None:
        """Number of connected clients."""
        return _number(self.info.get("connected_clients"))

    @property
    def keys(self) -> float | None:
        """Number of keys in all databases."""
        counts = [
            _number(value.get("keys")) if isinstance(value, dict) else None
            for name, value in self.info.items()
            if name[:2] == "db" and name[2:].isdigit()
        ]
        numbers = [one for one in counts if one is not None]
        if numbers:
            return sum(numbers)
        return 0 if self.info and not counts and self.info.keys().isdisjoint(KEYLESS) else None

    @property
    def hit_ratio(self) -> float | None:
        """Share of the reads between the last two polls that found their key."""
        return _share(self.rates.get("keyspace_hits"), self.rates.get("keyspace_misses"))

    @property
    def hit_ratio_overall(self) -> float | None:
        """The same since the server's start or the last CONFIG RESETSTAT."""
        return _share(
            _number(self.info.get("keyspace_hits")), _number(self.info.get("keyspace_misses"))
        )

    @property
    def full(self) -> float | None:
        """Used memory divided by `maxmemory`; None where there is no limit."""
        if self.memory is None or not self.maxmemory:
            return None
        return self.memory / self.maxmemory

    @property
    def current(self) -> bool:
        """Whether the numbers describe the present: the shard answers, and the row is fresh."""
        return self.fresh and self.state in ANSWERING

    @property
    def late(self) -> bool:
        """Whether the newest INFO is much older than the polling interval."""
        limit = max(_LATE_SECONDS, _LATE_INTERVALS * (self.interval or 0.0))
        return limit < self.age < math.inf


def _number(value: Value | None) -> float | None:
    return value if isinstance(value, (int, float)) else None


def _share(hits: float | None, misses: float | None) -> float | None:
    if hits is None or misses is None or hits + misses <= 0:
        return None
    return hits / (hits + misses)


class Series(NamedTuple):
    """The last minutes of some numbers: one value per step, the newest last; NaN for unknown.

    Attributes:
        step: seconds between two values.
        newest: number of the last value's step; it grows by 1 with each step.
        ops: commands per second.
        memory: bytes used.
        hit_ratio: share of the reads that found their key, 0 to 1.
        clients: number of connected clients.
        net_in, net_out: bytes received and sent per second.
        evicted: keys evicted per second.
        lag: of a replica, seconds since it last heard of its primary.
    """

    step: float
    newest: int
    ops: Sequence[float]
    memory: Sequence[float]
    hit_ratio: Sequence[float]
    clients: Sequence[float]
    net_in: Sequence[float]
    net_out: Sequence[float]
    evicted: Sequence[float]
    lag: Sequence[float]


class Field(NamedTuple):
    """One field of a shard's INFO.

    Attributes:
        name: as the server spells it.
        value: the newest one.
        rate: of a counter, its growth per second between the last two polls; of `cmdstat_` and
            `errorstat_` fields, that of their count. None where the field is no counter, and for
            the interval in which the counter was reset.
        changed: seconds since the value changed; None where it has not changed since the shard
            was first seen.
    """

    name: str
    value: Value
    rate: float | None
    changed: float | None


class Section(NamedTuple):
    """A section of a shard's INFO, and its fields in the server's order."""

    name: str
    fields: Sequence[Field]


class Copy(NamedTuple):
    """One daemon's copy of a shard.

    Attributes:
        daemon: name of the daemon.
        shown: whether this copy is shown.
        answers: whether the daemon answers.
    """

    daemon: str
    shown: bool
    answers: bool


class FeedState(NamedTuple):
    """Whether the model is current.

    Attributes:
        fresh: whether the copy of the daemon's cache is complete and current.
        problem: why it is not, in one line; "" where no reason is known.
        seconds: for how long it has not been fresh; 0 while it is.
        ever: whether it has ever been fresh.
        daemons: a line about the daemons of a fleet, or the slice of a single one; else "".
        missing: slices and daemons without which shards may be missing, a line each.
    """

    fresh: bool = False
    problem: str = ""
    seconds: float = math.inf
    ever: bool = False
    daemons: str = ""
    missing: tuple[str, ...] = ()
