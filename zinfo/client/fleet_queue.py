"""The updates that wait for the consumer of a FleetSubscriber: a bounded queue. Pure.

Deltas and events are queued. What follows a change of the copy, or a loss, is *owed*: only the id
of the shard waits, and its updates are made when the consumer is ready for them. So they have the
newest INFO, and 10,000 shards that change over at the same moment take little memory.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from zinfo.client.fleet_followed import MAX_OWED_EVENTS, Owed
from zinfo.client.updates import Delta
from zinfo.wire.lifecycle import Event

MAX_UPDATES: Final = 10_000
"""Queued updates; above it they are dropped, and the shard is owed a Gap and a Snapshot."""


class FleetQueue:
    """Updates in the order in which they have to be given.

    Args:
        max_updates: bound of the queue.

    Attributes:
        owed: by shard, oldest first.
    """

    def __init__(self, max_updates: int = MAX_UPDATES) -> None:
        self.owed: dict[str, Owed] = {}
        self._updates: deque[Delta | Event] = deque()
        self._max_updates = max_updates
        self._given = 0

    def __bool__(self) -> bool:
        return bool(self._updates or self.owed)

    def add_delta(self, delta: Delta) -> bool:
        """Queue a delta of a shard that is owed nothing.

        Returns:
            Whether it was queued; otherwise a Gap and a Snapshot are owed.
        """
        if len(self._updates) < self._max_updates:
            self._updates.append(delta)
            return True
        self.owe(delta.shard).lacks_deltas = True
        return False

    def add_event(self, event: Event) -> bool:
        """Queue an event; behind what the shard is owed, if anything.

        Returns:
            Whether it was queued; otherwise a Gap is owed, behind the events that wait.
        """
        owed = self.owed.get(event.shard)
        if owed is None and len(self._updates) < self._max_updates:
            self._updates.append(event)
            return True
        if owed is not None and len(owed.events) < MAX_OWED_EVENTS:
            owed.events.append(event)
            return True
        self.owe(event.shard).add_gap()
        return False

    def owe(self, shard: str) -> Owed:
        """Note that updates of a shard have to be made; return what is known of them."""
        owed = self.owed.get(shard)
        if owed is None:
            owed = self.owed[shard] = Owed(shard, self._given + len(self._updates))
        return owed

    def next_owed(self) -> tuple[str, Owed] | None:
        """Remove and return what is owed to a shard; None while a queued update has precedence."""
        for shard, owed in self.owed.items():
            if owed.after > self._given:
                break
            del self.owed[shard]
            return shard, owed
        return None

    def next_queued(self) -> Delta | Event | None:
        """Remove and return the oldest queued update; None where there is none."""
        if not self._updates:
            return None
        self._given += 1
        return self._updates.popleft()
