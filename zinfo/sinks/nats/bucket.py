"""Writes the newest copy of each changed shard to the bucket, some at a time, until acknowledged.

A put that is not acknowledged may have been stored or not, so the shard waits again, and what is
written then is what it is then. While no server leads the bucket's stream (4 to 7 s after one was
killed) all puts fail: the pause before the next one grows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from datetime import datetime, timedelta, timezone
from typing import Final

from nats.aio.client import Client

from zinfo.client.sockets import clock
from zinfo.sinks.nats.connection import NATS_ERRORS, describe
from zinfo.sinks.nats.counters import Counters
from zinfo.sinks.nats.names import MAX_ENCODED, Names, encode
from zinfo.sinks.nats.pending import PendingShards
from zinfo.sinks.nats.source import Source
from zinfo.sinks.nats.streams import stored_values
from zinfo.sinks.nats.values import HEADER_ROOM, Identity

logger = logging.getLogger(__name__)

IN_FLIGHT: Final = 64
"""Puts that wait for their acknowledgement at the same time."""

PUT_TIMEOUT: Final = 2.0
"""Seconds to wait for an acknowledgement."""

API_TIMEOUT: Final = 5.0
"""Seconds to wait for the reply to a request about streams."""

FIRST_PAUSE: Final = 0.05
"""Seconds before the next put after one that failed; doubled for each further one."""

MAX_PAUSE: Final = 1.0
"""Upper bound of that pause, and of the time to wait for a change."""

MARKER_AGE: Final = timedelta(hours=1)
"""Age at which the marker of a deleted value is removed."""

_MAX_SKIPPED: Final = 10_000  # ids that are remembered, so that each is counted once

_DELETE: Final = {"KV-Operation": "DEL"}


class BucketWriter:
    """Writes shards to the bucket.

    Args:
        client: the connection to NATS.
        names: of bucket and sink.
        source: has the copies.
        pending: says which shards are to be written.
        counters: are counted up.

    Attributes:
        stored: what the bucket has of each shard, as far as it was written or read by this sink.
        scanned: whether the bucket was read, so that `stored` is known.
        problem: the newest error in one line; "" if the newest put was acknowledged.
    """

    def __init__(
        self,
        client: Client,
        names: Names,
        source: Source,
        pending: PendingShards,
        counters: Counters,
    ) -> None:
        self._client = client
        self._js = client.jetstream(timeout=API_TIMEOUT)
        self._names = names
        self._source = source
        self._pending = pending
        self._counters = counters
        self._changed = asyncio.Event()
        self._resume_at = 0.0  # no put before, as one has failed
        self._pause = FIRST_PAUSE
        self._written: set[str] | None = None  # shards written during a scan
        self._skipped: set[str] = set()
        self._uncertain: set[str] = set()  # a put was not acknowledged: it may have been stored
        self.stored: dict[str, Identity] = {}
        self.scanned = False
        self.problem = ""

    def wake(self) -> None:
        """A shard was added to `pending`, or another one may be written now."""
        self._changed.set()

    async def run(self) -> None:
        """Write until cancelled."""
        tasks: set[asyncio.Task[None]] = set()

        def on_done(task: asyncio.Task[None]) -> None:
            tasks.discard(task)
            self._changed.set()

        try:
            while True:
                self._changed.clear()
                free = len(tasks) < IN_FLIGHT and clock() >= self._resume_at
                shard = self._pending.take(clock()) if free else None
                if shard is None:
                    await self._wait()
                    continue
                task = asyncio.create_task(self._write(shard))
                tasks.add(task)
                task.add_done_callback(on_done)
        finally:
            for task in tasks:
                task.cancel()

    async def flush(self, timeout: float) -> None:
        """Wait until nothing is pending, or a put fails, while `run` writes.

        Args:
            timeout: seconds.
        """
        deadline = clock() + timeout
        self._pending.end_rests()
        self.wake()
        while len(self._pending) and clock() < deadline and not self.problem:
            await asyncio.sleep(0.01)

    async def _wait(self) -> None:
        """Wait for a change, the end of a pause, or the end of a shard's rest."""
        now = clock()
        until = min(self._pending.next_at() or math.inf, now + MAX_PAUSE)
        seconds = max(until, self._resume_at) - now
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(0.001, seconds))

    async def _write(self, shard: str) -> None:
        """Write one shard that was taken from `pending`."""
        try:
            wrote = await self._write_newest(shard)
        except NATS_ERRORS as error:
            self._on_failure(shard, error)
        except BaseException:
            self._pending.failed(shard)
            raise
        else:
            self._pending.written(shard, clock(), rests=wrote)

    async def _write_newest(self, shard: str) -> bool:
        """Write a shard as it is now; return whether anything was written."""
        copy = self._source.read(shard)
        if copy is None:
            return await self._delete(shard)
        if len(encode(shard)) > MAX_ENCODED:
            self._skip(shard)
            return False
        identity = copy.identity(self._names.sink)
        if self.stored.get(shard) == identity:
            self._counters.unchanged += 1
            return False
        value, whole = copy.value(self._names.sink, self._max_value())
        self._counters.too_large += not whole
        await self._publish(shard, value, identity.headers())
        self.stored[shard] = identity
        self._counters.puts += 1
        return True

    async def _delete(self, shard: str) -> bool:
        """Delete the value of a shard that was removed; keep it where that is not certain."""
        if shard not in self.stored and shard not in self._uncertain:
            return False
        if not self._source.complete:
            return False
        await self._publish(shard, b"", _DELETE)
        self.stored.pop(shard, None)
        self._counters.deletes += 1
        return True

    async def _publish(self, shard: str, value: bytes, headers: dict[str, str]) -> None:
        if self._written is not None:
            self._written.add(shard)
        await self._js.publish(
            self._names.shard_subject(shard),
            value,
            timeout=PUT_TIMEOUT,
            stream=self._names.bucket_stream,
            headers=dict(headers),
        )
        self._uncertain.discard(shard)
        self._pause, self.problem = FIRST_PAUSE, ""

    def _max_value(self) -> int:
        payload: int = self._client.max_payload
        return payload - HEADER_ROOM

    def _skip(self, shard: str) -> None:
        if shard not in self._skipped and len(self._skipped) < _MAX_SKIPPED:
            self._skipped.add(shard)
            self._counters.skipped += 1
            logger.warning("an id of %d characters is too long for a key of NATS", len(shard))

    def _on_failure(self, shard: str, error: BaseException) -> None:
        """The server has not acknowledged a put: it may have been stored, or not."""
        self.stored.pop(shard, None)
        self._uncertain.add(shard)
        self._pending.failed(shard)
        self._counters.failures += 1
        problem = describe(error)
        if problem != self.problem:
            logger.warning(
                "a put into %s failed, and is tried again: %s", self._names.bucket, problem
            )
        self.problem = problem
        if clock() >= self._resume_at:  # of those in flight together, the first one counts
            self._resume_at = clock() + self._pause
            self._pause = min(2 * self._pause, MAX_PAUSE)

    # --- comparing with the bucket

    async def scan(self) -> None:
        """Read which versions the bucket has; what differs from what was written is written again.

        At the start this finds what has not changed since. Later it finds what a server that was
        cut off has delivered late, over a newer value.

        Raises:
            nats.errors.Error: the server does not reply.
        """
        found: dict[str, Identity] = {}
        old_markers: list[str] = []
        written: set[str] = set()
        self._written = written
        try:
            async for value in stored_values(self._js, self._names):
                if value.deleted_at is not None:
                    if datetime.now(timezone.utc) - value.deleted_at > MARKER_AGE:
                        old_markers.append(value.shard)
                elif value.identity is not None and value.identity.sink == self._names.sink:
                    found[value.shard] = value.identity
        finally:
            self._written = None
        self._take_over(found, written)
        self._counters.scans += 1
        for shard in old_markers:
            if shard not in self.stored and not self._pending.has(shard):
                subject = self._names.shard_subject(shard)
                await self._js.purge_stream(self._names.bucket_stream, subject=subject)

    def _take_over(self, found: dict[str, Identity], written: set[str]) -> None:
        for shard in found.keys() | self.stored.keys():
            if shard in written or self._pending.is_in_flight(shard):
                continue
            before, now = self.stored.get(shard), found.get(shard)
            if before == now:
                continue
            if now is None:
                del self.stored[shard]
            else:
                self.stored[shard] = now
            if self.scanned:
                self._counters.repaired += 1
            self._pending.add(shard, -math.inf)
        self.scanned = True
        self.wake()
