"""A source for views that needs no daemon: thousands of rows through the real model."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from tests.info_texts import TEXTS
from tests.top.building import delta, status, whole
from zinfo.info.parser import parse
from zinfo.top.model import TopModel
from zinfo.top.record import Status

INFO = parse(TEXTS["redis-7.0.15-primary-3"]).fields


class FakeSource:
    """What a view reads from, where the test is the feed.

    Args:
        count: how many shards there are; each has a whole INFO.
    """

    endpoint = "tcp://127.0.0.1:9736"

    def __init__(self, count: int) -> None:
        self.time = 1000.0
        self.model = TopModel()
        self.statuses: dict[str, Status] = {}
        self.wanted: list[str] = []
        self.wanted_fields: dict[str, set[str]] = {}
        self._revision = 1
        for number in range(count):
            shard = f"10.0.{number // 250}.{number % 250}:6379"
            self.statuses[shard] = status(labels={"site": "fra" if number % 2 else "ams"})
            self.model.apply(whole(1, self.time, INFO, shard=shard), self.time)
        self.set_statuses()

    def set_statuses(self, *, fresh: bool = True, problem: str = "") -> None:
        """Update the model with the present statuses."""
        self.model.set_statuses(self.statuses, self.time, fresh=fresh, problem=problem)

    def poll_all(self) -> None:
        """Half a second later every shard has been polled, and is busy."""
        self.time += 0.5
        self._revision += 1
        for number, shard in enumerate(self.statuses):
            changed = {
                "instantaneous_ops_per_sec": (number * 37 + self._revision * 101) % 5000,
                "used_memory": 1_000_000 + (number * 7919 + self._revision) % 900_000,
                "keyspace_hits": self._revision * (number + 1),
                "keyspace_misses": self._revision * 3,
                "total_commands_processed": self._revision * 1000,
            }
            self.model.apply(delta(self._revision, self.time, {**changed}, shard=shard), self.time)
        self.set_statuses()

    @contextmanager
    def locked(self) -> Iterator[TopModel]:
        """Hold the model."""
        yield self.model

    def now(self) -> float:
        """The time that the test has set."""
        return self.time

    def want(self, view: str, fields: Collection[str]) -> None:
        """Note which fields a view needs; the model has all."""
        self.wanted_fields[view] = set(fields)

    def follow_shard(self, shard: str) -> None:
        """Note whose INFO is wanted."""
        self.wanted.append(shard)
