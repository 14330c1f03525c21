"""History: the rings of all shards, filled as they are polled."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from zinfo.history.grid import Grid
from zinfo.history.ring import ShardRing
from zinfo.history.series import numbers_of_fields
from zinfo.shards.registry import ShardEvent, ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot
from zinfo.shards.source import SnapshotSource
from zinfo.wire.lifecycle import BUSY, DOWN, RESTARTED, Event

SLACK: Final = 4
"""Steps that are stored beside those of a history, for a reply whose pages take longer."""

_MAX_REPLY: Final = 4 << 20  # bytes; reading a larger reply would delay other polls
_HOLD_INTERVALS: Final = 2  # longest intervals for which a value is repeated without a newer one
_ANSWERING: Final = frozenset((ShardState.UP, ShardState.LOADING))


class History:
    """The newest values of each live shard, from the construction of this object on.

    At most one INFO of each shard is read for a step of time. The value of a step is that of the
    first INFO that arrives in it. A rate is that since the value before; there is none after a step
    without a value, or if the counters were reset. If no INFO arrived in a step although the shard
    answered, because it is polled less often, the step gets the next value, and until then the
    newest one.

    Args:
        publisher: the registry of live shards.
        source: delivers their snapshots and events.
        points: number of steps, at most `grid.MAX_POINTS`.
        step: seconds.
        monotonic: returns the clock of `Snapshot.at`, in seconds.
        wall: returns the wall clock, in seconds since the Unix epoch.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        source: SnapshotSource,
        points: int,
        step: float,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.grid = Grid(step, monotonic, wall)
        self.points = points
        self._rings: dict[str, ShardRing] = {}
        publisher.subscribe_shard_event(ShardEvent.REMOVED, self._on_removed)
        source.subscribe_snapshots(self._on_snapshot)
        source.events.subscribe(self._on_event)

    def newest(self) -> int:
        """Return the newest step that is over, and so has all its values."""
        return self.grid.current() - 1

    def read(self, shard: RedisShard, number: int, last: int, count: int) -> bytes | None:
        """Return the values of a series of a shard, oldest first.

        Args:
            shard: a live shard.
            number: of the series, in the order of `SERIES`.
            last: the last step.
            count: number of steps, at most `points`.

        Returns:
            Packed float32, little-endian, NaN for none; None if the series never had a value.
        """
        ring = self._rings.get(shard.id)
        if ring is None:
            return None
        answers = shard.state in _ANSWERING and not ring.interrupted
        return ring.read(number, last, count, self._longest_hold(shard) if answers else 0)

    def __len__(self) -> int:
        """Return the number of shards with a value."""
        return len(self._rings)

    # --- the poller's callbacks

    def _on_snapshot(
        self, shard: RedisShard, _previous: Snapshot | None, snapshot: Snapshot
    ) -> None:
        ring = self._rings.get(shard.id)
        if ring is None:
            ring = self._rings[shard.id] = ShardRing(self.points + SLACK)
        elif snapshot.at < ring.due:
            return
        if len(snapshot.raw) <= _MAX_REPLY:
            self._write(ring, shard, snapshot)

    def _on_event(self, event: Event) -> None:
        ring = self._rings.get(event.shard)
        if ring is None:
            return
        if event.type in (DOWN, BUSY):
            ring.interrupted = True
        elif event.type == RESTARTED:
            ring.is_reset = True

    def _on_removed(self, shard: RedisShard) -> None:
        self._rings.pop(shard.id, None)

    def _write(self, ring: ShardRing, shard: RedisShard, snapshot: Snapshot) -> None:
        at, former = snapshot.at, ring.newest
        step = self.grid.step_at(at)
        if step <= former:  # an INFO at the limit of two steps, by the rounding of floats
            return
        skipped = step - former - 1
        follows = former >= 0 and (
            not skipped or (not ring.interrupted and skipped <= self._longest_hold(shard))
        )
        seconds = at - ring.at if follows and not ring.is_reset else 0.0
        ring.write(step, snapshot.raw or numbers_of_fields(snapshot.info.fields), seconds)
        if follows and skipped:
            ring.repeat(former + 1)
        ring.at, ring.due = at, self.grid.start_of(step + 1)
        ring.interrupted = ring.is_reset = False

    def _longest_hold(self, shard: RedisShard) -> int:
        """Return for how many steps without an INFO a shard that answers has a value."""
        seconds = self.grid.seconds
        return math.ceil(_HOLD_INTERVALS * max(shard.MAX_POLLING_INTERVAL / seconds, 1.0))
