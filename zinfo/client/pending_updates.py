"""Deltas and events that wait for the snapshot that they belong to, bounded in bytes. Pure."""

from __future__ import annotations

from typing import NamedTuple

from zinfo.client.updates import Delta
from zinfo.wire.lifecycle import Event

_EVENT_BYTES = 400  # about what an event takes without its labels
_LABEL_BYTES = 100  # about what one label takes beside its characters


class KeptDelta(NamedTuple):
    """A delta, its bytes on the wire, and when (local clock) the daemon polled the shard."""

    delta: Delta
    size: int
    polled_at: float


class Kept:
    """What came too early, by shard.

    Args:
        max_bytes: over this, all is let go; whoever kept it must have noted that it came.

    Attributes:
        size: bytes held.
        overflows: how often all was let go.
    """

    def __init__(self, max_bytes: int) -> None:
        self.size = 0
        self.overflows = 0
        self._max_bytes = max_bytes
        self._deltas: dict[str, list[KeptDelta]] = {}
        self._events: dict[str, list[Event]] = {}

    def delta(self, delta: Delta, size: int, polled_at: float) -> None:
        """Keep a delta of `size` bytes."""
        self._deltas.setdefault(delta.shard, []).append(KeptDelta(delta, size, polled_at))
        self._grow(size)

    def event(self, event: Event) -> None:
        """Keep an event."""
        self._events.setdefault(event.shard, []).append(event)
        self._grow(_size(event))

    def take_deltas(self, shard: str) -> list[KeptDelta]:
        """Return the deltas of a shard in the order of their revisions, and hold them no more."""
        taken = self._deltas.pop(shard, [])
        self.size -= sum(kept.size for kept in taken)
        return sorted(taken, key=lambda kept: kept.delta.revision)

    def take_events(self, shard: str) -> list[Event]:
        """Return the events of a shard in their order, and hold them no more."""
        taken = self._events.pop(shard, [])
        self.size -= sum(map(_size, taken))
        return sorted(taken, key=lambda event: event.seq)

    def forget(self, shard: str) -> None:
        """Let go what is held of one shard."""
        self.take_deltas(shard)
        self.take_events(shard)

    def clear(self) -> None:
        """Let go everything."""
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
