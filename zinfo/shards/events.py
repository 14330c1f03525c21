"""EventLog: numbers lifecycle events, stores the newest and passes each to subscribers."""

from __future__ import annotations

import logging
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Mapping
from itertools import islice

from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.wire.lifecycle import REMOVED, Event

logger = logging.getLogger(__name__)

MAX_LABELS_SIZE = 4096
"""Characters of all names and values of the labels in an event; larger labels are left out."""

_MAX_LABELS_TEXT = 200  # characters of labels in the message of a labels_changed event


class EventLog:
    """The newest lifecycle events, in order.

    Args:
        capacity: number of events that are stored; older ones are dropped.
        clock: returns the wall clock in seconds since the Unix epoch.
    """

    def __init__(self, capacity: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        self._events: deque[Event] = deque(maxlen=capacity)
        self._clock = clock
        self._seqs: dict[str, int] = {}
        self._floor = 0
        self._callbacks: list[Callable[[Event], None]] = []
        self.newest = 0  #: number of the newest event; 0 before the first
        self.callback_errors = 0  #: exceptions raised by subscribers

    @property
    def oldest(self) -> int:
        """Number of the oldest stored event; newest + 1 if none is stored."""
        return self._events[0].number if self._events else self.newest + 1

    def seq(self, shard_id: str) -> int:
        """Return the `seq` of the shard's newest event; 0 if it has none."""
        return self._seqs.get(shard_id, 0)

    def subscribe(self, callback: Callable[[Event], None]) -> None:
        """Call `callback` with each later event; it must not block."""
        self._callbacks.append(callback)

    def emit(
        self,
        shard_id: str,
        type_: str,
        old: str | None = None,
        new: str | None = None,
        *,
        reason: str = "",
        message: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Event:
        """Number, store and publish an event; arguments as in `Event`."""
        self.newest += 1
        seq = self._seqs.get(shard_id, self._floor) + 1
        if type_ == REMOVED:
            # A shard that is added again must not continue its old count, and storing the count of
            # every removed id would grow without bound: new counts start above the floor.
            self._floor = max(self._floor, seq + 1)
            self._seqs.pop(shard_id, None)
        else:
            self._seqs[shard_id] = seq
        event = Event(
            shard_id, type_, old, new, reason, message, self.newest, seq, self._clock(), labels
        )
        self._notify(event)
        return event

    def append(self, event: Event) -> None:
        """Store and publish an event that already has its numbers, such as a replayed one."""
        self.newest = event.number
        if event.seq > self._seqs.get(event.shard, 0):
            if event.type == REMOVED:
                self._seqs.pop(event.shard, None)
            else:
                self._seqs[event.shard] = event.seq
        self._notify(event)

    def continue_from(self, newest: int, seqs: Mapping[str, int]) -> None:
        """Continue the numbers of another log.

        If its newest event is another one than that of this log, the stored events are dropped.

        Args:
            newest: number of the newest event.
            seqs: `seq` of the newest event of each shard.
        """
        if newest != self.newest:
            self._events.clear()
        self.newest = newest
        self._seqs = dict(seqs)

    def _notify(self, event: Event) -> None:
        self._events.append(event)
        for callback in self._callbacks:
            try:
                callback(event)
            except FOREIGN_ERRORS:
                self.callback_errors += 1
                logger.exception("a subscriber failed on event %s of %s", event.type, event.shard)

    def since(self, number: int = 0, shard_ids: Collection[str] = ()) -> list[Event]:
        """Return the stored events after `number`, oldest first.

        Args:
            number: number of the newest event that the caller has; 0 for all.
            shard_ids: only these shards; empty for all.
        """
        first = bisect_right(self._events, number, key=lambda event: event.number)
        events = islice(self._events, first, None)
        if not shard_ids:
            return list(events)
        return [event for event in events if event.shard in shard_ids]


def event_labels(labels: Mapping[str, str]) -> dict[str, str] | None:
    """Return a copy of labels for an event; None if they are larger than `MAX_LABELS_SIZE`."""
    size = sum(len(name) + len(value) for name, value in labels.items())
    return dict(labels) if size <= MAX_LABELS_SIZE else None


def format_labels(labels: Mapping[str, str]) -> str:
    """Return labels as text for people, `site=fra, rack=7`; long text is truncated."""
    text = ", ".join(f"{name}={value}" for name, value in labels.items()) or "no labels"
    return text if len(text) <= _MAX_LABELS_TEXT else text[:_MAX_LABELS_TEXT] + "..."
