"""Deltas and events held back until the snapshot that they follow has arrived. Pure."""

from __future__ import annotations

from zinfo.client.stored_info import PackedDelta
from zinfo.wire.lifecycle import Event

_EVENT_BYTES = 400  # estimated memory of an event without its labels
_LABEL_BYTES = 100  # estimated memory of a label beside its characters


class PendingUpdates:
    """Pending deltas and events by shard, bounded in bytes.

    Args:
        max_bytes: above this everything is dropped. The owner remembers which revisions and events
            it has seen, so that it notices that they are missing.

    Attributes:
        size: bytes held.
        overflows: how often everything was dropped.
    """

    def __init__(self, max_bytes: int) -> None:
        self.size = 0
        self.overflows = 0
        self._max_bytes = max_bytes
        self._deltas: dict[str, list[PackedDelta]] = {}
        self._events: dict[str, list[Event]] = {}

    def add_delta(self, shard: str, delta: PackedDelta) -> None:
        """Hold a delta of a shard."""
        self._deltas.setdefault(shard, []).append(delta)
        self._grow(len(delta.body))

    def add_event(self, event: Event) -> None:
        """Hold an event."""
        self._events.setdefault(event.shard, []).append(event)
        self._grow(_size(event))

    def take_deltas(self, shard: str) -> list[PackedDelta]:
        """Remove and return the deltas of a shard, by revision."""
        taken = self._deltas.pop(shard, [])
        self.size -= sum(len(delta.body) for delta in taken)
        return sorted(taken, key=lambda delta: delta.revision)

    def take_events(self, shard: str) -> list[Event]:
        """Remove and return the events of a shard, by their count."""
        taken = self._events.pop(shard, [])
        self.size -= sum(map(_size, taken))
        return sorted(taken, key=lambda event: event.seq)

    def forget(self, shard: str) -> None:
        """Drop the deltas and events of one shard."""
        self.take_deltas(shard)
        self.take_events(shard)

    def clear(self) -> None:
        """Drop everything."""
        self._deltas.clear()
        self._events.clear()
        self.size = 0

    def _grow(self, size: int) -> None:
        self.size += size
        if self.size > self._max_bytes:
            self.overflows += 1
            self.clear()


def _size(event: Event) -> int:
    labels = event.labels or {}
    return _EVENT_BYTES + sum(_LABEL_BYTES + len(name) + len(text) for name, text in labels.items())
