"""Batches of deltas: which of them are subscribed on a socket, and what waits to be sent. Pure.

A batch is one message for many deltas. A message of its own for each delta costs more than its
encoding: three frames through ZeroMQ, and a share of a system call at both ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from zinfo.wire.bus_messages import BATCH_TOPIC, KIND_BATCH, join_batch, pack_batched

MAX_BATCH_BYTES: Final = 16 << 10
"""Bytes at which a batch is sent, or a single larger delta.

libzmq's high-water mark counts messages, so that the queue of a slow subscriber may take this
times the mark: not much more than if each message had a whole INFO."""


class Batch:
    """The deltas of one topic that wait to be sent together.

    Args:
        topic: of the batches.
        kind: the kind of the topic.

    Attributes:
        seq: number of the last batch that was taken.
        size: bytes that wait.
    """

    __slots__ = ("_number", "_parts", "kind", "seq", "size", "topic")

    def __init__(self, topic: bytes, kind: str) -> None:
        self.topic = topic
        self.kind = kind
        self.seq = 0
        self.size = 0
        self._number = 0
        self._parts: list[bytes] = []

    def fits(self, body: bytes) -> bool:
        """Return whether a delta can be added before the batch is sent."""
        return not self.size or self.size + len(body) <= MAX_BATCH_BYTES

    def add(self, head: bytes, header: bytes, body: bytes) -> None:
        """Add a delta.

        Args:
            head: what `batched_head` returns for the topic of the delta.
            header: of the delta.
            body: of the delta.
        """
        packed = pack_batched(head, header, body)
        self._parts.append(packed)
        self._number += 1
        self.size += len(packed)

    @property
    def is_full(self) -> bool:
        """Whether the batch has to be sent now."""
        return self.size >= MAX_BATCH_BYTES

    def take(self) -> bytes:
        """Return the body of the batch, and begin the next one."""
        body = join_batch(self._number, self._parts)
        self.clear()
        self.seq += 1
        return body

    def clear(self) -> None:
        """Drop what waits."""
        self._parts = []
        self._number = self.size = 0


class SocketBatches:
    """The batches that are subscribed on one socket.

    Attributes:
        whole: of the deltas with all fields; None while they are not subscribed.
    """

    def __init__(self) -> None:
        self.whole: Batch | None = None
        self._whole = Batch(BATCH_TOPIC, KIND_BATCH)  # its numbers never start again

    def __iter__(self) -> Iterator[Batch]:
        if self.whole is not None:
            yield self.whole

    def subscribe(self, topic: bytes) -> None:
        """Publish batches, if this is a topic of them."""
        if topic == BATCH_TOPIC:
            self.whole = self._whole

    def unsubscribe(self, topic: bytes) -> None:
        """Publish no batches of a topic any more."""
        if topic == BATCH_TOPIC:
            self._drop_whole()

    def clear(self) -> None:
        """Publish no batches any more."""
        self._drop_whole()

    def _drop_whole(self) -> None:
        self._whole.clear()
        self.whole = None
