"""Recent events of copies that a FleetSubscriber does not follow, in case it changes over. Pure."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from zinfo.wire.lifecycle import Event

MAX_EVENTS: Final = 10_000
"""Events stored for each daemon; above it the oldest are dropped."""


class RecentEvents:
    """The newest events of one daemon, by shard.

    Attributes:
        complete_since: local clock; all events that arrived later are stored, unless their shard
            was forgotten.
    """

    def __init__(self) -> None:
        self.complete_since = -math.inf
        self._by_shard: dict[str, deque[tuple[float, Event]]] = {}
        self._order: deque[tuple[str, float]] = deque()  # may name events that were forgotten

    def add(self, event: Event, now: float) -> None:
        """Store an event that arrived at this local time."""
        self._by_shard.setdefault(event.shard, deque()).append((now, event))
        self._order.append((event.shard, now))
        if len(self._order) > MAX_EVENTS:
            self._drop_oldest()

    def take(self, shard: str, since: float) -> list[Event]:
        """Remove all events of a shard; return those that arrived at `since` or later."""
        return [event for at, event in self._by_shard.pop(shard, ()) if at >= since]

    def interrupt(self, now: float) -> None:
        """Drop everything, as events may have been lost until now."""
        self._by_shard.clear()
        self._order.clear()
        self.complete_since = now

    def _drop_oldest(self) -> None:
        shard, at = self._order.popleft()
        events = self._by_shard.get(shard)
        if events is None or events[0][0] > at:
            return  # it was forgotten before
        events.popleft()
        if not events:
            del self._by_shard[shard]
        self.complete_since = math.nextafter(at, math.inf)
