"""SnapshotSource: what the bus and the queries use of an InfoPoller or of a replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import gevent.event

from zinfo.shards.events import EventLog
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot

SnapshotCallback = Callable[[RedisShard, "Snapshot | None", Snapshot], None]
"""Called with the shard, its previous snapshot and its new one."""


class SnapshotSource(Protocol):
    """Delivers snapshots and lifecycle events of the live shards.

    Attributes:
        events: log of the lifecycle events.
        revisions: number of snapshots so far, of all shards together.
    """

    events: EventLog
    revisions: int

    def subscribe_snapshots(self, callback: SnapshotCallback) -> None:
        """Call `callback(shard, previous, snapshot)` for every snapshot; it must not block."""

    def refresh(self, shard_id: str, floor: float) -> gevent.event.Event | None:
        """Poll a shard now.

        Args:
            shard_id: of a live shard.
            floor: minimum seconds since the last poll; within them the shard is not polled.

        Returns:
            An event that is set when the poll has ended; None where there is no poll to wait for.
        """
