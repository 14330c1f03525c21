"""The sink: connects the source, the writers and the heartbeats, and ends them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from zinfo.client.sockets import clock
from zinfo.client.updates import Change, Delta
from zinfo.errors import SinkError
from zinfo.sinks.nats.bucket import BucketWriter
from zinfo.sinks.nats.connection import NATS_ERRORS, Connection, Servers, describe
from zinfo.sinks.nats.counters import Counters
from zinfo.sinks.nats.deltas import DeltaPublisher
from zinfo.sinks.nats.events import EventWriter
from zinfo.sinks.nats.heartbeat import HeartbeatWriter
from zinfo.sinks.nats.names import Names
from zinfo.sinks.nats.pending import PendingShards
from zinfo.sinks.nats.source import Source
from zinfo.sinks.nats.streams import Limits, ensure
from zinfo.sinks.nats.values import Heartbeat, listed
from zinfo.wire.curve_keys import ClientKeys

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
"""Seconds before something that needs a leader is tried again."""

SCAN_DELAY: Final = 10.0
"""Seconds after a lost connection until the bucket is compared: a server that was cut off may still
deliver what it was sent before."""

SCAN_INTERVAL: Final = 3600.0
"""Seconds between two comparisons of the bucket with what was written."""

FLUSH_SECONDS: Final = 1.5
"""Seconds to write what waits when the sink is stopped."""

CLOSE_SECONDS: Final = 1.0
"""Seconds to close the connections."""


@dataclass(frozen=True)
class SinkOptions:
    """What a sink does.

    Attributes:
        endpoints: query endpoints of the daemons.
        servers: of NATS.
        names: of bucket, stream, subjects and sink.
        limits: of bucket and stream, if they have to be created.
        interval: seconds between heartbeats.
        pause: seconds between two values of one shard.
        deltas: whether deltas are published.
        events: whether events are written.
        keys: CURVE keys for the daemons.
    """

    endpoints: Collection[str]
    servers: Servers
    names: Names = field(default_factory=Names)
    limits: Limits = field(default_factory=Limits)
    interval: float = 1.0
    pause: float = 1.0
    deltas: bool = True
    events: bool = True
    keys: ClientKeys | None = None

    @property
    def lag(self) -> float:
        """Seconds within which a value that is not stale was written."""
        return self.pause + 2.0


class Sink:
    """Writes what daemons publish to NATS.

    Args:
        options: what it does.

    Raises:
        ConfigError: an option is invalid.

    Attributes:
        counters: what it has done.
        connected: whether it was connected to NATS, and the bucket was there.
    """

    def __init__(self, options: SinkOptions) -> None:
        self._options = options
        self.counters = Counters()
        self.connected = False
        self._scan_at = clock() + SCAN_INTERVAL
        self._pending = PendingShards(options.pause)
        self._beat = 0
        self._connection = Connection(options.servers, self._on_reconnect)
        client, names = self._connection.client, options.names
        self._source = Source(
            options.endpoints, self._on_change, self._on_message, keys=options.keys
        )
        self._bucket = BucketWriter(client, names, self._source, self._pending, self.counters)
        self._deltas = DeltaPublisher(client, names, self.counters)
        self._events = EventWriter(client, names, self._source, self.counters, {})
        self._heartbeats = HeartbeatWriter(
            client, names, self.counters, options.interval, self._on_reconnect
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop` is set; then write what waits, and end.

        Raises:
            SinkError: another sink of the same name took over, or a part failed.
            ConfigError: nats-py cannot use a URL or credentials.
        """
        stopping = asyncio.create_task(stop.wait())
        try:
            await _first(stopping, self._start())
            if not stopping.done():
                await self._write_until(stopping)
        finally:
            stopping.cancel()
            with contextlib.suppress(asyncio.TimeoutError, *NATS_ERRORS):
                await asyncio.wait_for(self._connection.client.close(), CLOSE_SECONDS)
            await self._source.close()

    async def _start(self) -> None:
        """Connect, create what is missing, wait for another sink, and read the bucket."""
        await self._connection.open()
        js = self._connection.client.jetstream()
        problem = ""
        while True:
            try:
                await ensure(js, self._options.names, self._options.limits)
                former = await self._heartbeats.take_over()
                await self._bucket.scan()
            except NATS_ERRORS as error:
                if describe(error) != problem:
                    problem = describe(error)
                    logger.warning("JetStream is not ready, trying again: %s", problem)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                break
        self.connected = True
        if former is not None:
            self._events.newest.update(former.events)
        logger.info("the bucket has %d values of this sink", len(self._bucket.stored))
        await self._source.open()
        self._source.status()  # starts the Mirrors

    async def _write_until(self, stopping: asyncio.Task[Any]) -> None:
        parts: list[Coroutine[Any, Any, None]] = [self._bucket.run(), self._beat_always()]
        parts += [self._deltas.run()] if self._options.deltas else []
        parts += [self._events.run()] if self._options.events else []
        superseded: asyncio.Task[Any] = asyncio.create_task(self._heartbeats.superseded.wait())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.wait([stopping, superseded, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if superseded.done():
                raise SinkError(f"another sink named {self._options.names.sink} has taken over")
            for task in tasks:
                if task.done():
                    raise SinkError(f"a part of the sink ended: {task.exception()!r:.300}")
            await self._bucket.flush(FLUSH_SECONDS)
            await self._heartbeats.write(self._heartbeat(ended=True))
        finally:
            for task in (superseded, *tasks):
                task.cancel()
            await asyncio.gather(superseded, *tasks, return_exceptions=True)

    # --- heartbeats

    async def _beat_always(self) -> None:
        """Write heartbeats, and start what is due."""
        scan: asyncio.Task[None] | None = None
        due = clock()
        while True:
            self._source.check()
            await self._heartbeats.write(self._heartbeat())
            if clock() >= self._scan_at and (scan is None or scan.done()):
                self._scan_at = clock() + SCAN_INTERVAL
                scan = asyncio.create_task(self._scan())
            due = max(due + self._options.interval, clock())
            await asyncio.sleep(due - clock())

    def _heartbeat(self, *, ended: bool = False) -> Heartbeat:
        """Return the next heartbeat; request that values of removed shards are deleted."""
        options, status = self._options, self._source.status()
        stored = self._bucket.stored
        foreign = stored.keys() - status.ids  # removed, or the daemon that has them is silent
        if status.complete:
            for shard in foreign:
                self._on_change(shard, -float("inf"))
        stale = status.stale | foreign | self._pending.waiting_since(clock() - options.lag)
        stale |= status.ids - stored.keys()
        all_stored = not status.ids - stored.keys()
        self._beat += 1
        return Heartbeat(
            sink=options.names.sink,
            run=self._heartbeats.run_number,
            beat=self._beat,
            time=time.time(),
            interval=options.interval,
            lag=options.lag,
            ended=ended,
            complete=status.complete and all_stored and not foreign,
            shards=len(stored),
            stale=None if ended else listed(stale),
            daemons=status.daemons,
            events=self._events.newest,
        )

    async def _scan(self) -> None:
        try:
            await self._bucket.scan()
        except NATS_ERRORS as error:
            logger.info("the bucket could not be compared: %s", describe(error))
            self._scan_at = clock() + SCAN_DELAY

    # --- what comes in

    def _on_change(self, shard: str, since: float) -> None:
        self._pending.add(shard, since)
        self._bucket.wake()

    def _on_message(self, node: str, epoch: int, change: Change) -> None:
        if not isinstance(change, Delta):
            self._events.wake()
        elif self._options.deltas:
            self._deltas.add(node, epoch, change)

    def _on_reconnect(self) -> None:
        self._scan_at = min(self._scan_at, clock() + SCAN_DELAY)

    def count(self) -> Counters:
        """Return the counters, all of them up to date."""
        self.counters.reconnects = self._connection.reconnects
        self.counters.pending = len(self._pending)
        return self.counters


async def _first(stopping: asyncio.Task[Any], work: Coroutine[Any, Any, None]) -> None:
    """Wait for `work`, or until the sink is stopped, which cancels it."""
    task = asyncio.create_task(work)
    await asyncio.wait([stopping, task], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
