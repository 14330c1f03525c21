"""Membership: the shards of one source, and when one that it no longer lists is removed. Pure.

A shard is removed if several successful reads in a row do not list it, and either the poller finds
it down or it has been missing for some time. If too many shards that answer would go at once, all
of them are held: an answer that forgets most of a source's servers is more often a fault of the
source (a Redis Cluster node that lost its nodes.conf, a CMDB with an empty table) than the truth.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from zinfo.discovery.guard import Guard

_ROUNDING = 1e-9  # `max_removed` of a number of shards is not exact: 0.29 * 100 is below 29


class Health(enum.Enum):
    """What the poller knows of a shard."""

    ANSWERING = "answering"
    """It replies: its state is up, loading or busy."""
    DOWN = "down"
    """It does not reply."""
    UNKNOWN = "unknown"
    """It has not been polled yet."""


HealthOf = Callable[[str], Health]
"""Returns the health of a shard by its id."""

T = TypeVar("T")


@dataclass(slots=True)
class _Absence:
    """A member that the source no longer lists.

    Attributes:
        since: monotonic clock of the first read without it.
        read: number of that read.
        misses: successful reads in a row without it.
        held_since: monotonic clock from which it is held; None if it is not.
    """

    since: float
    read: int
    misses: int = 0
    held_since: float | None = None


def _no_pause() -> None:
    pass


class Membership(Generic[T]):
    """The shards of one source: those that it lists, and those that stay for a time.

    `read`, `add`, `evaluate` and `restore` are iterators, of which only one may run at a time. Each
    yields the id of a shard directly after its target was added, changed or removed, and calls
    `pause` between any two shards.

    Args:
        guard: the limits on removals; may be replaced.
        pause: called between two shards; may switch to other greenlets.

    Attributes:
        guard: the limits on removals.
        answering: number of members that answered at the last judgement of missing shards.
        version: number of changes of members so far.
    """

    def __init__(self, guard: Guard, pause: Callable[[], object] = _no_pause) -> None:
        self.guard = guard
        self.answering = 0
        self.version = 0
        self._pause = pause
        self._members: dict[str, T] = {}
        self._missing: dict[str, _Absence] = {}
        self._held = 0
        self._reads = 0
        # Added by the newest read. They do not count as answering until the next one: shards that
        # another source already keeps live would hide that all others are missing.
        self._new: set[str] = set()
        self._accepted = 0  # number of the read whose answer was accepted, until it is followed

    @property
    def members(self) -> Mapping[str, T]:
        """The newest target of each shard, by id."""
        return self._members

    @property
    def missing(self) -> int:
        """Number of members that the newest answer does not list."""
        return len(self._missing)

    @property
    def held(self) -> int:
        """Number of missing members that are held because too many would go at once."""
        return self._held

    def restore(self, targets: Mapping[str, T]) -> Iterator[str]:
        """Take over an answer of an earlier process; the next `read` is judged against it."""
        for shard_id, target in targets.items():
            if shard_id not in self._members:
                yield self._set(shard_id, target)
            self._pause()

    def add(self, targets: Mapping[str, T]) -> Iterator[str]:
        """Follow an incomplete answer: the shards that it lacks do not count as missing."""
        yield from self._take(targets)

    def read(self, targets: Mapping[str, T] | None, now: float, health: HealthOf) -> Iterator[str]:
        """Follow a successful read of the whole source.

        Args:
            targets: what the source lists now, by id; None for the same as in the last read.
            now: monotonic clock of the read.
            health: what the poller knows of each shard.
        """
        self._reads += 1
        self._new = set()
        if targets is not None:
            yield from self._take(targets)
            self._find_missing(targets, now)
        for absence in self._missing.values():
            absence.misses += 1
            self._pause()
        yield from self._remove_accepted()
        self._judge(now, health, may_end=True)
        yield from self._remove_due(now, health, judged=True)

    def evaluate(self, now: float, health: HealthOf) -> Iterator[str]:
        """Remove the missing shards that may go by now; to be called each second between reads.

        A hold begins here if it must, but ends only at a read.
        """
        if self._missing:
            yield from self._remove_accepted()
            yield from self._remove_due(now, health, judged=False)

    def accept(self) -> int:
        """Let all shards that are missing now go at the next `evaluate` or `read`.

        Returns:
            The number of these shards.
        """
        self._accepted = self._reads
        return len(self._missing)

    def _take(self, targets: Mapping[str, T]) -> Iterator[str]:
        """Add and change members."""
        for shard_id, target in targets.items():
            if shard_id in self._missing:
                self._forget(shard_id)
            if shard_id not in self._members:
                self._new.add(shard_id)
                yield self._set(shard_id, target)
            elif self._members[shard_id] != target:
                yield self._set(shard_id, target)
            self._pause()

    def _find_missing(self, targets: Mapping[str, T], now: float) -> None:
        if len(targets) == len(self._members):
            return  # all targets are members by now
        for shard_id in list(self._members):
            if shard_id not in targets and shard_id not in self._missing:
                self._missing[shard_id] = _Absence(now, self._reads)
            self._pause()

    def _remove_accepted(self) -> Iterator[str]:
        if not self._accepted:
            return
        accepted, self._accepted = self._accepted, 0
        for shard_id in list(self._missing):
            if self._missing[shard_id].read <= accepted:
                yield self._remove(shard_id)
            self._pause()

    def _judge(self, now: float, health: HealthOf, *, may_end: bool) -> None:
        """Begin or end the hold of the missing shards that answer."""
        answering = []
        for shard_id, absence in self._missing.items():
            if health(shard_id) is Health.ANSWERING:
                answering.append(absence)
            else:
                self._end_hold(absence)
            self._pause()
        if not answering:
            return
        if self._are_too_many(len(answering), health):
            for absence in answering:
                self._begin_hold(absence, now)
                self._pause()
        elif may_end:
            for absence in answering:
                self._end_hold(absence)
                self._pause()

    def _are_too_many(self, count: int, health: HealthOf) -> bool:
        self.answering = 0
        for shard_id in self._members:
            if shard_id not in self._new:
                self.answering += health(shard_id) is Health.ANSWERING
            self._pause()
        return count > self.guard.max_removed * self.answering + _ROUNDING

    def _remove_due(self, now: float, health: HealthOf, *, judged: bool) -> Iterator[str]:
        """Remove what may go; judge first if a shard that answers would, and nothing is judged."""
        for shard_id in list(self._missing):
            absence, found = self._missing[shard_id], health(shard_id)
            if found is Health.DOWN:
                self._end_hold(absence)
                may_go = absence.misses >= self.guard.misses
            elif not self._has_witnesses(absence, now):
                may_go = False
            else:
                if absence.held_since is None and found is Health.ANSWERING and not judged:
                    self._judge(now, health, may_end=False)
                    judged = True
                held_since = absence.held_since
                may_go = held_since is None or now - held_since >= self.guard.release
            if may_go:
                yield self._remove(shard_id)
            self._pause()

    def _has_witnesses(self, absence: _Absence, now: float) -> bool:
        """Return whether a shard that answers has been missing often and for long enough."""
        return absence.misses >= self.guard.misses and now - absence.since >= self.guard.hold

    def _begin_hold(self, absence: _Absence, now: float) -> None:
        if absence.held_since is None:
            absence.held_since = now
            self._held += 1

    def _end_hold(self, absence: _Absence) -> None:
        if absence.held_since is not None:
            absence.held_since = None
            self._held -= 1

    def _set(self, shard_id: str, target: T) -> str:
        self._members[shard_id] = target
        self.version += 1
        return shard_id

    def _remove(self, shard_id: str) -> str:
        self._forget(shard_id)
        del self._members[shard_id]
        self.version += 1
        return shard_id

    def _forget(self, shard_id: str) -> None:
        """Take a shard off the missing ones."""
        self._end_hold(self._missing.pop(shard_id))
