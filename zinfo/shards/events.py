"""Lifecycle events of shards: numbered, kept for a while, handed to whoever subscribed."""

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
"""Characters of names and values of the labels in one event; an event leaves larger labels out."""

_MAX_LABELS_TEXT = 200  # characters of the labels in the message of a labels_changed event


class EventLog:
    """The newest lifecycle events, in order.

    Args:
        keep: how many events are held; older ones are forgotten.
        clock: returns the wall clock in seconds since the Unix epoch.
    """

    def __init__(self, keep: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        self._events: deque[Event] = deque(maxlen=keep)
        self._clock = clock
        self._seqs: dict[str, int] = {}
        self._floor = 0
        self._callbacks: list[Callable[[Event], None]] = []
        self.newest = 0  #: number of the newest event; 0 before the first
        self.callback_errors = 0  #: exceptions raised by subscribers

    @property
    def oldest(self) -> int:
        """Number of the oldest event still held; newest + 1 where none is."""
        return self._events[0].number if self._events else self.newest + 1

    def seq(self, shard_id: str) -> int:
        """Return the count of the shard's newest event; 0 where it has none."""
        return self._seqs.get(shard_id, 0)

    def subscribe(self, callback: Callable[[Event], None]) -> None:
        """Call `callback` with every event from now on; it must not block."""
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
        """Number, keep and hand on one event; arguments as in `Event`."""
        self.newest += 1
        seq = self._seqs.get(shard_id, self._floor) + 1
        if type_ == REMOVED:
            # A shard that comes back must not continue its old count by accident, and remembering
            # every id that ever was would grow without bound: new counts start above the floor.
            self._floor = max(self._floor, seq + 1)
            self._seqs.pop(shard_id, None)
        else:
            self._seqs[shard_id] = seq
        event = Event(
            shard_id, type_, old, new, reason, message, self.newest, seq, self._clock(), labels
        )
        self._hand_on(event)
        return event

    def take(self, event: Event) -> None:
        """Keep and hand on an event that was numbered elsewhere, such as one that is replayed."""
        self.newest = event.number
        if event.seq > self._seqs.get(event.shard, 0):
            if event.type == REMOVED:
                self._seqs.pop(event.shard, None)
            else:
                self._seqs[event.shard] = event.seq
        self._hand_on(event)

    def go_on_from(self, newest: int, seqs: Mapping[str, int]) -> None:
        """Count as another log does; where that knows of other events, those held are forgotten.

        Args:
            newest: number of its newest event.
            seqs: counts of its shards' newest events.
        """
        if newest != self.newest:
            self._events.clear()
        self.newest = newest
        self._seqs = dict(seqs)

    def _hand_on(self, event: Event) -> None:
        self._events.append(event)
        for callback in self._callbacks:
            try:
                callback(event)
            except FOREIGN_ERRORS:
                self.callback_errors += 1
                logger.exception("a subscriber failed on event %s of %s", event.type, event.shard)

    def since(self, number: int = 0, shard_ids: Collection[str] = ()) -> list[Event]:
        """Return the held events after `number`, oldest first.

        Args:
            number: of the newest event that the caller has; 0 for all.
            shard_ids: only these shards; empty for all.
        """
        first = bisect_right(self._events, number, key=lambda event: event.number)
        events = islice(self._events, first, None)
        if not shard_ids:
            return list(events)
        return [event for event in events if event.shard in shard_ids]


def sent_labels(labels: Mapping[str, str]) -> dict[str, str] | None:
    """Return a copy of labels for an event; None where they are larger than an event holds."""
    size = sum(len(name) + len(value) for name, value in labels.items())
    return dict(labels) if size <= MAX_LABELS_SIZE else None


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as `site=fra, rack=7`, cut where they are long; for people."""
    text = ", ".join(f"{name}={value}" for name, value in labels.items()) or "no labels"
    return text if len(text) <= _MAX_LABELS_TEXT else text[:_MAX_LABELS_TEXT] + "..."
