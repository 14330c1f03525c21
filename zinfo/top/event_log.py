"""The newest events, each once and in order, across restarts of the daemon. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from zinfo.wire.lifecycle import Event

MAX_EVENTS = 1000
"""Number of events that are stored."""


class EventLog:
    """The newest events, oldest first.

    A daemon numbers its events, so that each is stored once and at its place, no matter whether it
    comes over the bus or in a reply. Events without a number stay in the order of their arrival.

    Attributes:
        complete_to: up to this number (of the daemon's present run) no event is missing.
        version: grows with every change.
    """

    def __init__(self) -> None:
        self.complete_to = 0
        self.version = 0
        self._events: list[Event] = []
        self._run_start = 0  # index of the first event of the daemon's present run
        self._numbers: set[int] = set()  # of the stored events of that run
        self._dropped_to = 0  # greatest number of that run that is no longer stored

    def __len__(self) -> int:
        return len(self._events)

    def add(self, events: Iterable[Event]) -> None:
        """Add events; numbered ones may come in any order, and more than once."""
        for event in events:
            number = event.number
            at = len(self._events)
            if number:
                if number in self._numbers or number <= self._dropped_to:
                    continue
                while at > self._run_start and self._events[at - 1].number > number:
                    at -= 1
                self._numbers.add(number)
            self._events.insert(at, event)
            self.version += 1
        self.mark_complete(self.complete_to)
        self._drop_oldest()

    def mark_complete(self, number: int) -> None:
        """Note that every event up to this number is stored, or no longer available."""
        self.complete_to = max(self.complete_to, number)
        while self.complete_to + 1 in self._numbers:
            self.complete_to += 1

    def restart_numbering(self) -> None:
        """Note that the daemon was restarted: its events are numbered from 1 again."""
        self._run_start = len(self._events)
        self._numbers.clear()
        self.complete_to = self._dropped_to = 0

    def newest(self, count: int, shard: str | None = None) -> list[Event]:
        """Return the newest events, oldest first.

        Args:
            count: maximum number of events.
            shard: only events of this one; "" for those of the daemon itself, None for all.
        """
        events = self._events
        if shard is not None:
            events = [event for event in events if event.shard == shard]
        return events[-count:] if count > 0 else []

    def _drop_oldest(self) -> None:
        excess = len(self._events) - MAX_EVENTS
        if excess <= 0:
            return
        for event in self._events[self._run_start : max(self._run_start, excess)]:
            self._numbers.discard(event.number)
            self._dropped_to = max(self._dropped_to, event.number)
        del self._events[:excess]
        self._run_start = max(0, self._run_start - excess)
