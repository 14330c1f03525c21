"""BusSender: sends messages on the sockets of the bus, at once or in batches.

Each send is NOBLOCK and passes all frames of a message at once, so any greenlet and any event loop
callback may send.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import zmq

from zinfo.bus.batches import MAX_BATCH_BYTES, Batch
from zinfo.bus.flush_timer import FlushTimer
from zinfo.bus.socket import BusSocket
from zinfo.health.stats import BusStats
from zinfo.native.loader import native
from zinfo.wire.bus_messages import (
    KIND_DELTA,
    KIND_INFO,
    header_start,
    pack_batched,
    pack_header,
)
from zinfo.wire.identity import Identity

logger = logging.getLogger(__name__)


class BusSender:
    """Sends messages, in the order in which they are passed in.

    Args:
        identity: of the daemon.
        stats: the bus counters to update.
        clock: returns the time of batches, in seconds since the Unix epoch.
        sockets: returns the sockets that have subscriptions.
    """

    def __init__(
        self,
        identity: Identity,
        stats: BusStats,
        clock: Callable[[], float],
        sockets: Callable[[], Sequence[BusSocket]],
    ) -> None:
        self._node, self._epoch = identity.node, identity.epoch
        self._header_start = header_start(identity.node, identity.epoch)
        self._stats = stats
        self._clock = clock
        self._sockets = sockets
        self._timer = FlushTimer(self._flush_all, self._report)

    def close(self) -> None:
        """Send no batches any more."""
        self._timer.close()

    def header(self, seq: int, when: float) -> bytes:
        """Return the header of a message; arguments as in `Header`."""
        return pack_header(self._node, self._epoch, seq, when)

    def send(self, socket: BusSocket, kind: str, topic: bytes, header: bytes, body: bytes) -> None:
        """Send a message of any kind; batches that wait are sent before.

        Events, heartbeats and fences refer to the deltas before them.
        """
        if kind not in (KIND_DELTA, KIND_INFO):
            self.flush(socket)
        self._send(socket, kind, topic, header, body)

    def batched(self, head: bytes, seq: int, when: float, body: bytes) -> bytes:
        """Return a delta as it is in a batch.

        Args:
            head: what `batched_head` returns for its topic.
            seq: as in `Header`.
            when: as `time` in `Header`.
            body: of the delta.
        """
        if native is not None:
            packed = native.pack_batched(head, self._header_start, seq, when, body)
            if packed is not None:
                return packed
        return pack_batched(head, self.header(seq, when), body)

    def add(self, socket: BusSocket, batch: Batch, packed: bytes) -> None:
        """Add a delta to a batch, which is sent when it is full or at the end of the tick.

        Args:
            socket: the socket of the batch.
            batch: one of its batches.
            packed: the delta, as `batched` returns it.
        """
        size = batch.size + len(packed)
        if size > MAX_BATCH_BYTES and batch.size:
            self._send_batch(socket, batch)
        batch.add(packed)
        if batch.size >= MAX_BATCH_BYTES:
            self._send_batch(socket, batch)
        elif not self._timer.is_set:
            self._timer.set()

    def flush(self, socket: BusSocket) -> None:
        """Send what waits in the batches of a socket."""
        for batch in socket.batches.all:
            if batch.size:
                self._send_batch(socket, batch)

    def _flush_all(self, until: float) -> bool:
        """Send what waits in all batches, up to a monotonic clock; return whether that was all."""
        for socket in self._sockets():
            if time.monotonic() > until:
                return False
            self.flush(socket)
        return True

    def _send_batch(self, socket: BusSocket, batch: Batch) -> None:
        body = batch.take()
        header = self.header(batch.seq, self._clock())
        self._send(socket, batch.kind, batch.topic, header, body)

    def _send(self, socket: BusSocket, kind: str, topic: bytes, header: bytes, body: bytes) -> None:
        try:
            socket.send((topic, header, body))
        except zmq.ZMQError as error:
            # An XPUB socket drops messages for a slow peer without an error: this is another one.
            self._stats.errors += 1
            logger.error("bus: cannot send %s: %s", topic.decode(), error)
            return
        self._stats.messages[kind] += 1
        self._stats.bytes += len(body)

    def _report(self, error: BaseException) -> None:
        self._stats.errors += 1
        logger.error("bus: unexpected error while sending a batch", exc_info=error)
