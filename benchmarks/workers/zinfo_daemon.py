"""The whole zinfo daemon, with bus and query endpoint, which polls only on command."""

from __future__ import annotations

import time
from typing import Any

import gevent
from typing_extensions import override

from benchmarks.worker_loop import Handlers, Meter, memory, serve_commands
from benchmarks.workers.poll_worker import PollWorker
from zinfo.config.models import BusConfig, Config, QueryConfig
from zinfo.daemon.daemon import Daemon
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot

YIELD_EVERY = 100  # published messages between two yields to the event loop

_FREE_PORT = "tcp://127.0.0.1:*"
_NEVER = 86_400.0  # seconds; the interval while polling is paused
_QUIET = 0.1  # seconds beyond the interval without a poll, after which none is in progress


class Shard(RedisShard):
    """A shard whose interval does not adapt, so that all compared processes do the same work."""


class ZinfoDaemon(PollWorker):
    """A daemon like that of `zinfo serve`, whose shards are added by the benchmark.

    Attributes:
        waits: Whether polling pauses after each shard was polled once.
    """

    waits = True

    def __init__(self) -> None:
        self.daemon = Daemon(self.config())
        self.daemon.start()
        self._recorded: list[tuple[str, bytes]] = []

    def config(self) -> Config:
        """Return the daemon's configuration."""
        return Config(bus=BusConfig(endpoint=_FREE_PORT), query=QueryConfig(endpoint=_FREE_PORT))

    @property
    @override
    def polls(self) -> int:  # type: ignore[override]  # an attribute there; the daemon counts here
        return self.daemon.poller.revisions

    @override
    def start(self, urls: list[str], shards: int, interval: float) -> dict[str, Any]:
        self.interval = interval
        self.set_interval(_NEVER if self.waits else interval)
        began = time.monotonic()
        for number in range(shards):
            self.daemon.publisher.add_shard(Shard(f"shard-{number:05}", urls[number % len(urls)]))
            if not number:
                self._await(1)
                self.memory_before = memory()["memory"]
        self._await(shards)
        return {
            "seconds": time.monotonic() - began,
            "query": self.daemon.router.endpoint,
            "bus": self.daemon.bus.endpoint,
        }

    def record(self, messages: int) -> None:
        """Poll until there are this many replies, and store them for `publish`."""

        def store(shard: RedisShard, _previous: Snapshot | None, snapshot: Snapshot) -> None:
            self._recorded.append((shard.id, snapshot.raw))

        self.daemon.poller.subscribe_snapshots(store)
        self.resume()
        while len(self._recorded) < messages:
            gevent.sleep(0.05)
        self.pause()
        del self._recorded[messages:]

    def publish(self, messages: int) -> dict[str, float]:
        """Process recorded replies like replies of the shards, as fast as possible.

        Args:
            messages: Number of recorded replies to process.

        Returns:
            The start by the monotonic clock, and the cost.
        """
        poller, recorded = self.daemon.poller, self._recorded
        self._recorded = []  # `store` is still subscribed, and appends to this list meanwhile
        states = poller._states  # on_reply receives each reply that has been read
        began, meter = time.monotonic(), Meter()
        for number, (shard_id, raw) in enumerate(recorded[:messages]):
            poller.on_reply(states[shard_id], raw)
            if number % YIELD_EVERY == 0:
                gevent.sleep(0)
        cost = meter.read()
        self._recorded = recorded
        return {"began": began, **cost}

    def revisions(self) -> dict[str, int]:
        """Return the revision of each shard."""
        return {one.id: one.revision for one in self.daemon.publisher.get_live_shards()}

    @override
    def handlers(self) -> Handlers:
        names = ("record", "publish", "revisions")
        return {**super().handlers(), **{name: getattr(self, name) for name in names}}

    def _await(self, shards: int) -> None:
        publisher = self.daemon.publisher
        while self.polls < shards or not all(one.revision for one in publisher.get_live_shards()):
            gevent.sleep(0.02)

    @override
    def resume(self) -> None:
        self.set_interval(self.interval)
        ids = sorted(self.daemon.publisher.get_live_shard_ids())
        began = time.monotonic()
        for number, shard_id in enumerate(ids):
            self.daemon.poller.refresh(shard_id, 0.0)
            ahead = began + number / len(ids) * self.interval - time.monotonic()
            if ahead > 0:
                gevent.sleep(ahead)

    @override
    def pause(self) -> None:
        self.set_interval(_NEVER)
        polls = -1
        while self.polls != polls:
            polls = self.polls
            gevent.sleep(self.interval + _QUIET)

    def set_interval(self, seconds: float) -> None:
        """Poll each shard at this interval, from its next poll on."""
        Shard.MIN_POLLING_INTERVAL = Shard.MAX_POLLING_INTERVAL = seconds


if __name__ == "__main__":
    serve_commands(ZinfoDaemon().handlers())
