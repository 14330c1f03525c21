"""What a view is given: values that stay as they are, whatever happens after. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from zinfo.client.updates import Value
from zinfo.wire.lifecycle import LOADING, UP

NOW = frozenset({UP, LOADING})
"""States in which a shard answers INFO, so that its newest INFO speaks of the present."""


class Row(NamedTuple):
    """One shard at one moment.

    Attributes:
        shard: its id.
        labels: by name.
        state: new, up, loading, busy or down.
        reason: why it is down, in one word; else "".
        fresh: whether all this is what the daemon has; False while the daemon is not heard, too.
        role: as INFO says it; None where it does not.
        version: of the server; likewise.
        ops: commands a second.
        memory: used, in bytes.
        maxmemory: bytes that it may use; 0 for no bound.
        clients: connected.
        keys: in all databases together.
        hit_ratio: part of the reads between the last two polls that found their key, 0 to 1; None
            where there was no read, or where the counters began anew.
        hit_ratio_overall: the same since the server's start, or since its statistics were reset.
        interval: seconds between the last two polls; None before the second.
        age: seconds since the newest INFO; infinite before the first.
        revision: number of the newest INFO; 0 before the first.
    """

    shard: str
    labels: Mapping[str, str]
    state: str
    reason: str
    fresh: bool
    role: str | None
    version: str | None
    ops: float | None
    memory: int | None
    maxmemory: int | None
    clients: int | None
    keys: int | None
    hit_ratio: float | None
    hit_ratio_overall: float | None
    interval: float | None
    age: float
    revision: int

    @property
    def status(self) -> str:
        """The state in words, with its reason: "up", "down: refused"; "stale" where not fresh."""
        if not self.fresh:
            return "stale"
        return f"{self.state}: {self.reason}" if self.reason else self.state

    @property
    def full(self) -> float | None:
        """The memory used as a part of `maxmemory`; None where there is no bound."""
        if self.memory is None or not self.maxmemory:
            return None
        return self.memory / self.maxmemory

    @property
    def current(self) -> bool:
        """Whether the numbers speak of the present: the shard answers, and so does the daemon."""
        return self.fresh and self.state in NOW


class Totals(NamedTuple):
    """All shards together. Sums are of the shards whose numbers speak of the present.

    Attributes:
        shards: how many there are.
        states: how many are in which status: "up", "down", ..., and "stale".
        ops, memory, clients, keys: sums.
        hit_ratio: part of the reads of their last intervals that found their key.
    """

    shards: int
    states: Mapping[str, int]
    ops: float
    memory: int
    clients: int
    keys: int
    hit_ratio: float | None


class Series(NamedTuple):
    """The last minutes of some numbers: a value for each step, the newest last; NaN for none.

    Attributes:
        step: seconds from one value to the next.
        newest: number of the last value's step; it grows by 1 with each step.
        ops: commands a second.
        memory: used, in bytes.
        hit_ratio: of the interval, 0 to 1.
        clients: connected.
    """

    step: float
    newest: int
    ops: Sequence[float]
    memory: Sequence[float]
    hit_ratio: Sequence[float]
    clients: Sequence[float]


class Field(NamedTuple):
    """One field of a shard's INFO.

    Attributes:
        name: as the server spells it.
        value: what it is now.
        rate: of a counter, what came a second between the last two polls; of a command's or an
            error's statistics, their number. None where it is no counter, and for the interval in
            which it began anew.
        changed: seconds since it changed; None where it has not since the shard was first seen.
    """

    name: str
    value: Value
    rate: float | None
    changed: float | None


class Section(NamedTuple):
    """A section of a shard's INFO, and its fields in the server's order."""

    name: str
    fields: Sequence[Field]


class FeedState(NamedTuple):
    """Whether what is shown can be relied on.

    Attributes:
        fresh: whether the copy of the daemon's cache is whole and current.
        problem: why it is not, in one line; "" where nothing is known to be wrong.
        seconds: for how long it has not been so; 0 while it is.
        ever: whether it has ever been so.
    """

    fresh: bool = False
    problem: str = ""
    seconds: float = math.inf
    ever: bool = False
