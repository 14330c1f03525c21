"""The events of several daemons, each once. Pure.

Every daemon that polls a shard reports its events. Those of the daemon whose copy is shown count.
Those of the others are held for some time: where another copy takes over, those of its events are
added that the former copy has not reported. Two daemons notice the same change at different times,
so that it is a guess which events are the same: after a change, an event may be shown twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from zinfo.top.daemon_reader import DaemonReading
from zinfo.wire.lifecycle import Event

HOLD_SECONDS = 30.0
"""Seconds for which events of copies that are not shown are held."""

SAME_SECONDS = 10.0
"""Seconds between the reports of two daemons up to which equal changes count as the same."""

MAX_HELD = 10_000
"""Number of events that are held."""

_Held: TypeAlias = "deque[tuple[float, str, Event]]"  # when it was read, endpoint, event


class FleetEvents:
    """Selects the events to be shown."""

    def __init__(self) -> None:
        self._held: _Held = deque(maxlen=MAX_HELD)
        self._shown: _Held = deque(maxlen=MAX_HELD)

    def select(
        self,
        readings: Mapping[str, DaemonReading],
        former: Mapping[str, str],
        chosen: Mapping[str, str],
        now: float,
    ) -> list[Event]:
        """Return the events to be shown, oldest first; without numbers, as each daemon has its own.

        The messages of events of a daemon itself begin with its name.

        Args:
            readings: those that are new, by endpoint.
            former: the copies that were shown before, by shard.
            chosen: the copies that are shown now.
            now: the time.
        """
        found = []
        reporters: dict[str, str] = {}  # of shards that are polled no longer
        for endpoint, reading in readings.items():
            for event in reading.events:
                owner = chosen.get(event.shard) or former.get(event.shard)
                owner = owner or reporters.setdefault(event.shard, endpoint)
                if not event.shard:
                    found.append(_of_daemon(event, reading.node or endpoint))
                elif owner == endpoint:
                    found.append(event)
                    if event.shard in former:
                        self._shown.append((now, endpoint, event))
                elif not reading.is_first:  # else they are of the past
                    self._held.append((now, endpoint, event))
        moved = {one for one, endpoint in chosen.items() if former.get(one, endpoint) != endpoint}
        if moved:
            found += self._unreported(moved, chosen)
        for events in (self._held, self._shown):
            while events and now - events[0][0] > HOLD_SECONDS:
                events.popleft()
        found.sort(key=lambda event: event.time)
        return [replace(event, number=0) for event in found]

    def _unreported(self, moved: set[str], chosen: Mapping[str, str]) -> list[Event]:
        """Return what the copies that take over have reported, and the former ones have not."""
        reported = [
            event
            for _, endpoint, event in self._shown
            if event.shard in moved and endpoint != chosen[event.shard]
        ]
        held = [entry for entry in self._held if entry[2].shard in moved]
        found = []
        for at, endpoint, event in held:
            if chosen[event.shard] != endpoint:
                continue
            same = next((one for one in reported if _is_same(one, event)), None)
            if same is not None:
                reported.remove(same)
            else:
                found.append(event)
                self._shown.append((at, endpoint, event))
            self._held.remove((at, endpoint, event))
        return found


def _is_same(one: Event, other: Event) -> bool:
    """Return whether two daemons may have reported the same change."""
    near = abs(one.time - other.time) <= SAME_SECONDS
    changes = [(event.shard, event.type, event.old, event.new) for event in (one, other)]
    return near and changes[0] == changes[1]


def _of_daemon(event: Event, daemon: str) -> Event:
    """Return an event of a daemon itself, with its name."""
    return replace(event, message=f"{daemon}: {event.message}" if event.message else daemon)
