"""A running poller with its publisher, and helpers to check what it did."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gevent

from tests.waiting import wait_until
from zinfo import InfoPoller, RedisShard, ShardPublisher
from zinfo.poll.limits import PollLimits
from zinfo.wire.lifecycle import Event


@dataclass
class Watch:
    """A running poller.

    Attributes:
        publisher: its registry.
        poller: the poller.
        events: the events that it emitted, oldest first.
    """

    publisher: ShardPublisher
    poller: InfoPoller
    events: list[Event]

    def add(self, url: Any, ident: str = "s", **tunables: Any) -> RedisShard:
        """Add a shard that is polled quickly unless `tunables` say otherwise."""
        shard = RedisShard(ident, url)
        for name, value in {
            "MIN_POLLING_INTERVAL": 0.05,
            "MAX_POLLING_INTERVAL": 0.05,
            **tunables,
        }.items():
            setattr(shard, name, value)
        self.publisher.add_shard(shard)
        return shard

    def types(self, ident: str = "s") -> list[str]:
        """Return the types of a shard's events so far."""
        return [event.type for event in self.events if event.shard == ident]

    def wait_for(self, type_: str, ident: str = "s", count: int = 1) -> Event:
        """Wait for the `count`-th event of a type."""
        wait_until(
            lambda: self.types(ident).count(type_) >= count,
            what=f"event {type_} of {ident} (there are {self.types(ident)})",
        )
        return [e for e in self.events if e.shard == ident and e.type == type_][count - 1]

    def wait_polls(self, shard: RedisShard, more: int = 2) -> None:
        """Wait until a shard was polled `more` times from now on."""
        goal = shard.revision + more
        wait_until(lambda: shard.revision >= goal, what=f"revision {goal} of {shard}")


@contextlib.contextmanager
def watching(**options: Any) -> Iterator[Watch]:
    """Run a poller that waits for servers on a busy machine, too, and retries soon."""
    publisher = ShardPublisher()
    options.setdefault("limits", PollLimits(timeout=30, connect_timeout=30))
    options.setdefault("max_backoff", 0.2)
    with InfoPoller(publisher, **options) as poller:
        events: list[Event] = []
        poller.events.subscribe(events.append)
        yield Watch(publisher, poller, events)
    gevent.sleep(0)
