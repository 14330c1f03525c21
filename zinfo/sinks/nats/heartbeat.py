"""Heartbeats of a sink in the bucket, and one writer at a time.

A heartbeat says which values are stale. It is stored in the same stream as the values, so a reader
gets it after all values that it is about. Two sinks of one name never write for long: a sink that
starts waits while another one's heartbeats come, and of two that write, the one that started later
goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from zinfo.client.sockets import clock
from zinfo.sinks.nats.bucket import API_TIMEOUT
from zinfo.sinks.nats.connection import NATS_ERRORS, describe
from zinfo.sinks.nats.counters import Counters
from zinfo.sinks.nats.names import SINK_KEYS, Names, encode
from zinfo.sinks.nats.values import FormerHeartbeat, Heartbeat, former_heartbeat

logger = logging.getLogger(__name__)

MISSED: Final = 3
"""Intervals without a heartbeat after which a sink counts as gone."""

MAX_WAIT: Final = 60.0
"""Longest time to wait for another sink's next heartbeat, in seconds."""


class HeartbeatWriter:
    """Writes heartbeats, and watches for those of another sink of the same name.

    Args:
        client: the connection to NATS.
        names: of bucket and sink.
        counters: are counted up.
        interval: seconds between heartbeats.
        on_other: called if another sink that started before this one writes, too.

    Attributes:
        run_number: of this run: nanoseconds since the Unix epoch at its start.
        superseded: set when a sink that started later writes.
    """

    def __init__(
        self,
        client: Client,
        names: Names,
        counters: Counters,
        interval: float,
        on_other: Callable[[], None],
    ) -> None:
        self._client = client
        self._js = client.jetstream(timeout=API_TIMEOUT)
        self._names = names
        self._counters = counters
        self._interval = interval
        self._on_other = on_other
        self._other: FormerHeartbeat | None = None  # the newest one of another run
        self._other_at = clock()
        self._problem = ""
        self.run_number = time.time_ns()
        self.superseded = asyncio.Event()

    async def take_over(self) -> FormerHeartbeat | None:
        """Wait until no other sink of this name writes; return the last heartbeat, if any.

        Raises:
            nats.errors.Error: the server does not reply.
        """
        await self._client.subscribe(self._names.heartbeat_subject, cb=self._on_heartbeat)
        await self._client.flush()
        former = await self._stored()
        if former is None or former.ended:
            return former
        began, noted = clock(), False
        while clock() - max(began, self._other_at) < min(MISSED * former.interval, MAX_WAIT):
            if self._other is not None:
                former = self._other
                if former.ended:
                    break
                if not noted:
                    logger.info("waiting: another sink named %s writes", self._names.sink)
                    noted = True
            await asyncio.sleep(min(0.05, self._interval))
        return await self._stored() or former

    async def write(self, heartbeat: Heartbeat) -> bool:
        """Write one heartbeat; return whether it was acknowledged.

        Args:
            heartbeat: of this run.
        """
        try:
            await self._js.publish(
                self._names.heartbeat_subject,
                heartbeat.pack(),
                timeout=max(1.0, self._interval),
                stream=self._names.bucket_stream,
            )
        except NATS_ERRORS as error:
            self._counters.failures += 1
            if not self._problem:
                logger.warning("a heartbeat was not written: %s", describe(error))
            self._problem = describe(error)
            return False
        self._problem = ""
        self._counters.beats += 1
        return True

    async def _stored(self) -> FormerHeartbeat | None:
        bucket = await self._js.key_value(self._names.bucket)
        try:
            entry = await bucket.get(SINK_KEYS + encode(self._names.sink))
        except nats.js.errors.KeyNotFoundError:
            return None
        return former_heartbeat(entry.value or b"")

    async def _on_heartbeat(self, message: Msg) -> None:
        other = former_heartbeat(message.data)
        if other is None or other.run == self.run_number:
            return
        self._other, self._other_at = other, clock()
        if other.run > self.run_number:
            self.superseded.set()
        else:
            self._on_other()
