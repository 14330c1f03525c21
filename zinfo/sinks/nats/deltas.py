"""Publishes deltas on core NATS: not stored, not acknowledged, and dropped rather than delayed."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from nats.aio.client import Client

from zinfo.client.updates import Delta
from zinfo.errors import ProtocolError
from zinfo.sinks.nats.connection import NATS_ERRORS
from zinfo.sinks.nats.counters import Counters
from zinfo.sinks.nats.names import MAX_ENCODED, Names
from zinfo.sinks.nats.values import HEADER_ROOM, Headers, delta_message

MAX_WAITING: Final = 10_000
"""Deltas that wait for a slow server; beyond it, the oldest are dropped."""

MAX_WAITING_BYTES: Final = 16 << 20
"""Bytes of these."""

YIELD_EVERY: Final = 50
"""Deltas that are published without giving other tasks their turn."""


class DeltaPublisher:
    """Publishes deltas in their order.

    Args:
        client: the connection to NATS.
        names: has the subjects.
        counters: are counted up.
    """

    def __init__(self, client: Client, names: Names, counters: Counters) -> None:
        self._client = client
        self._names = names
        self._counters = counters
        self._waiting: deque[tuple[str, bytes, Headers]] = deque()
        self._bytes = 0
        self._added = asyncio.Event()

    def add(self, node: str, epoch: int, delta: Delta) -> None:
        """Publish a delta soon.

        Args:
            node: name of the daemon.
            epoch: of the daemon.
            delta: what changed.
        """
        subject = self._names.delta_subject(delta.shard)
        try:
            payload, headers = delta_message(delta, node, epoch)
        except ProtocolError:
            self._counters.deltas_dropped += 1
            return
        too_large = len(payload) > self._client.max_payload - HEADER_ROOM
        if too_large or len(subject) > MAX_ENCODED or not self._client.is_connected:
            self._counters.deltas_dropped += 1
            return
        self._waiting.append((subject, payload, headers))
        self._bytes += len(payload)
        while len(self._waiting) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            self._bytes -= len(self._waiting.popleft()[1])
            self._counters.deltas_dropped += 1
        self._added.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        published = 0
        while True:
            if not self._waiting:
                self._added.clear()
                await self._added.wait()
            subject, payload, headers = self._waiting.popleft()
            self._bytes -= len(payload)
            try:
                await self._client.publish(subject, payload, headers=headers)
                self._counters.deltas += 1
            except NATS_ERRORS:
                self._counters.deltas_dropped += 1
            published += 1
            if published % YIELD_EVERY == 0:
                await asyncio.sleep(0)
