"""The events of several daemons, each once. Pure.

Every daemon that polls a shard reports its events. Those of the daemon whose copy is shown count.
Those of the others are held for some time: where another copy takes over, its events since then
have not been shown. So an event may be shown twice after a change, but none is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from zinfo.top.daemon_reader import DaemonReading
from zinfo.wire.lifecycle import Event

HOLD_SECONDS = 30.0
"""Seconds for which events of copies that are not shown are held."""

MAX_HELD = 10_000
"""Number of events that are held."""


class FleetEvents:
    """Selects the events to be shown."""

    def __init__(self) -> None:
        self._held: deque[tuple[float, str, Event]] = deque(maxlen=MAX_HELD)

    def select(
        self,
        readings: Mapping[str, DaemonReading],
        former: Mapping[str, str],
        chosen: Mapping[str, str],
        answered_at: Mapping[str, float],
        now: float,
    ) -> list[Event]:
        """Return the events to be shown, oldest first; without numbers, as each daemon has its own.

        Args:
            readings: those that are new, by endpoint.
            former: the copies that were shown before, by shard.
            chosen: the copies that are shown now.
            answered_at: when each daemon answered last before this, by endpoint.
            now: the time.
        """
        while self._held and now - self._held[0][0] > HOLD_SECONDS:
            self._held.popleft()
        moved = {
            shard: (endpoint, answered_at.get(former[shard], now))
            for shard, endpoint in chosen.items()
            if former.get(shard, endpoint) != endpoint
        }
        shown = [
            event
            for at, endpoint, event in self._held
            if (to := moved.get(event.shard)) and to[0] == endpoint and at >= to[1]
        ]
        reporters: dict[str, str] = {}  # of shards that are polled no longer
        for endpoint, reading in readings.items():
            for event in reading.events:
                owner = chosen.get(event.shard) or former.get(event.shard)
                owner = owner or reporters.setdefault(event.shard, endpoint)
                if not event.shard or owner == endpoint:
                    shown.append(event)
                else:
                    self._held.append((now, endpoint, event))
        shown.sort(key=lambda event: event.time)
        return [replace(event, number=0) for event in shown]
