"""A sink in this process, and a reader of its bucket: the rule of clients/nats_follow.py."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgpack
import nats
from nats.aio.client import Client

from clients.nats_follow import Printer, Shards, follow
from tests.waiting import TIMEOUT
from zinfo.sinks.nats.connection import Servers
from zinfo.sinks.nats.names import Names
from zinfo.sinks.nats.sink import Sink, SinkOptions

INTERVAL = 0.2
"""Seconds between heartbeats."""


async def until(condition: Callable[[], object], what: str, timeout: float = TIMEOUT) -> None:
    """Wait for a condition, while tasks run."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}")
        await asyncio.sleep(0.02)


def options(endpoint: str | list[str], url: str, bucket: str, **changes: Any) -> SinkOptions:
    """Return options for a quick sink."""
    names = Names(bucket=bucket, stream=f"{bucket}-events", prefix=bucket)
    endpoints = [endpoint] if isinstance(endpoint, str) else endpoint
    given: dict[str, Any] = {"names": names, "interval": INTERVAL, "pause": 0.05, **changes}
    return SinkOptions(endpoints, Servers(url.split(",")), **given)


@contextlib.asynccontextmanager
async def running(made: SinkOptions) -> AsyncIterator[Sink]:
    """Run a sink in this event loop; it ends as by a signal."""
    sink, stop = Sink(made), asyncio.Event()
    task = asyncio.create_task(sink.run(stop))
    try:
        await until(lambda: sink.counters.beats or task.done(), "the first heartbeat")
        if task.done():
            task.result()
        yield sink
    finally:
        stop.set()
        await task


async def kill(sink_task: asyncio.Task[None]) -> None:
    """End a sink as a crash does: without a last heartbeat."""
    sink_task.cancel()
    await asyncio.gather(sink_task, return_exceptions=True)


class Reader:
    """Follows a bucket."""

    def __init__(self) -> None:
        self.shards = Shards()
        self.lines: list[str] = []

    def fresh(self, shard: str) -> bool:
        """Whether a value is there, and is fresh."""
        return shard in self.shards.values and self.shards.fresh(shard, time.monotonic())

    def stale(self) -> bool:
        """Whether nothing is fresh."""
        return not any(map(self.fresh, self.shards.values))

    def complete(self) -> bool:
        """Whether all is there, and is fresh."""
        return self.shards.complete(time.monotonic())


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """Connect to NATS."""

    async def ignore(error: Exception) -> None:
        """Errors are expected: servers are killed."""

    client = await nats.connect(
        url.split(","),
        error_cb=ignore,
        ping_interval=1,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
    )
    try:
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def reading(url: str, bucket: str) -> AsyncIterator[Reader]:
    """Follow a bucket as clients/nats_follow.py does."""
    reader = Reader()

    async def run(client: Client) -> None:
        printer = Printer(["role"])
        while True:
            try:
                await follow(client.jetstream(), bucket, reader.shards, printer, False)
            except (nats.errors.Error, asyncio.TimeoutError, OSError):
                await asyncio.sleep(0.1)

    async with connected(url) as client:
        task = asyncio.create_task(run(client))
        try:
            yield reader
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def secret_file(path: Path, text: str) -> Path:
    """Write a file with a secret."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


async def stored_events(client: Client, bucket: str, until: int = 0) -> list[dict[str, Any]]:
    """Return the events in the stream.

    Args:
        client: The connection.
        bucket: The events are those of the sink with this bucket.
        until: Number of an event to wait for.
    """
    deadline = time.monotonic() + TIMEOUT
    events: list[dict[str, Any]] = []
    while True:
        with contextlib.suppress(nats.errors.Error):  # there may be no leader yet
            events = await _stored_now(client, f"{bucket}-events")
        if not until or any(event["number"] == until for event in events):
            return events
        assert time.monotonic() < deadline, f"waited for event {until}: {events}"
        await asyncio.sleep(0.1)


async def _stored_now(client: Client, stream: str) -> list[dict[str, Any]]:
    js = client.jetstream()
    info = await js.stream_info(stream)
    first, last = info.state.first_seq or 1, info.state.last_seq
    found = [await js.get_msg(stream, seq) for seq in range(first, last + 1)]
    return [msgpack.unpackb(message.data or b"") for message in found]


async def scan(sink: Sink) -> None:
    """Let a sink compare the bucket with what it wrote; tries until there is a leader."""
    before, deadline = sink.counters.scans, time.monotonic() + TIMEOUT
    while sink.counters.scans == before:
        assert time.monotonic() < deadline, "waited for a comparison of the bucket"
        with contextlib.suppress(nats.errors.Error):
            await sink._bucket.scan()
