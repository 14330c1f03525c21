"""Batches of deltas: which of them are subscribed on a socket, and what waits to be sent. Pure.

A batch is one message for many deltas. A message of its own for each delta costs more than its
encoding: three frames through ZeroMQ, and a share of a system call at both ends.
"""

from __future__ import annotations

from typing import Final

from zinfo.bus.field_sets import WHOLE, FieldSets
from zinfo.wire.bus_messages import (
    BATCH_TOPIC,
    FIELDS_ROOT,
    KIND_BATCH,
    KIND_FIELDS,
    fields_of_topic,
    join_batch,
)

MAX_BATCH_BYTES: Final = 16 << 10
"""Bytes at which a batch is sent, or a single larger delta.

libzmq's high-water mark counts messages, so that the queue of a slow subscriber may take this
times the mark: not much more than if each message had a whole INFO."""

MAX_FIELD_SETS: Final = 16
"""Sets of fields that one socket publishes: each is encoded at each poll."""


class Batch:
    """The deltas of one topic that wait to be sent together.

    Args:
        topic: of the batches.
        kind: the kind of the topic.
        selection: number of the selection of fields that its deltas have.

    Attributes:
        seq: number of the last batch that was taken.
        size: bytes that wait.
    """

    __slots__ = ("_packed", "kind", "selection", "seq", "size", "topic")

    def __init__(self, topic: bytes, kind: str, selection: int) -> None:
        self.topic = topic
        self.kind = kind
        self.selection = selection
        self.seq = 0
        self.size = 0
        self._packed: list[bytes] = []

    def add(self, packed: bytes) -> None:
        """Add a delta, as `pack_batched` returns it.

        The caller sends the batch before if `size` would exceed `MAX_BATCH_BYTES`.
        """
        self._packed.append(packed)
        self.size += len(packed)

    def take(self) -> bytes:
        """Return the body of the batch, and begin the next one."""
        body = join_batch(len(self._packed), self._packed)
        self.clear()
        self.seq += 1
        return body

    def clear(self) -> None:
        """Drop what waits."""
        self._packed = []
        self.size = 0


class SocketBatches:
    """The batches that are subscribed on one socket.

    Args:
        field_sets: the selections of fields of all sockets with the same hidden fields.

    Attributes:
        all: the batches.
        selections: a bit for the selection of each of them.
    """

    def __init__(self, field_sets: FieldSets) -> None:
        self.all: tuple[Batch, ...] = ()
        self.selections = 0
        self._field_sets = field_sets
        self._whole = Batch(BATCH_TOPIC, KIND_BATCH, WHOLE)  # its numbers never start again
        self._batches: dict[bytes, Batch] = {}

    def subscribe(self, topic: bytes) -> bool:
        """Publish batches, if this is a topic of them; return whether it may be subscribed.

        It may not if it names fields in another form than `fields_topic`, or if there are too many
        sets of fields.
        """
        if topic in self._batches:
            return True
        if topic == BATCH_TOPIC:
            self._add(self._whole)
        elif topic.startswith(FIELDS_ROOT):
            names = fields_of_topic(topic)
            sets = len(self._batches) - (BATCH_TOPIC in self._batches)
            if names is None or sets >= MAX_FIELD_SETS:
                return False
            number = self._field_sets.add(names)
            if number is None:
                return False
            self._add(Batch(topic, KIND_FIELDS, number))
        return True

    def unsubscribe(self, topic: bytes) -> None:
        """Publish no batches of a topic any more."""
        batch = self._batches.pop(topic, None)
        if batch is None:
            return
        batch.clear()
        self.all = tuple(self._batches.values())
        self.selections &= ~(1 << batch.selection)
        names = fields_of_topic(topic)
        if names is not None:
            self._field_sets.remove(names)

    def clear(self) -> None:
        """Publish no batches any more."""
        for topic in list(self._batches):
            self.unsubscribe(topic)

    def _add(self, batch: Batch) -> None:
        self._batches[batch.topic] = batch
        self.all = tuple(self._batches.values())
        self.selections |= 1 << batch.selection
