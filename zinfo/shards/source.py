"""What the bus and the queries need of whatever brings snapshots: an InfoPoller, or a replay."""

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
    """Brings snapshots and events of the live shards.

    Attributes:
        events: the lifecycle events.
        revisions: snapshots so far, of all shards together.
    """

    events: EventLog
    revisions: int

    def subscribe_snapshots(self, callback: SnapshotCallback) -> None:
        """Call `callback(shard, previous, snapshot)` at every snapshot; it must not wait."""

    def refresh(self, shard_id: str, floor: float) -> gevent.event.Event | None:
        """Have a shard polled now.

        Args:
            shard_id: of a live shard.
            floor: seconds since the last poll within which there is no other.

        Returns:
            An event that is set when that has ended; None where there is none to wait for.
        """
