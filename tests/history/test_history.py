"""The history of shards through polls, outages, restarts and removals."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from zinfo.history.history import History
from zinfo.history.series import SERIES
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot
from zinfo.wire import lifecycle

NAN = math.nan
NUMBERS = {name: at for at, name in enumerate(SERIES)}
WALL = 1_700_000_000.0  # a multiple of the step


class Source:
    """Takes the place of a poller."""

    def __init__(self) -> None:
        self.events = EventLog()
        self.callbacks: list[Any] = []

    def subscribe_snapshots(self, callback: Any) -> None:
        self.callbacks.append(callback)


class Polled:
    """A history of 10 steps of 5 seconds, and shards whose replies a test makes.

    `now` is the time since the beginning of a step.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.publisher, self.source = ShardPublisher(), Source()
        source: Any = self.source
        self.history = History(
            self.publisher,
            source,
            10,
            5.0,
            monotonic=lambda: 500.0 + self.now,
            wall=lambda: WALL + self.now,
        )

    def add(self, ident: str = "a") -> RedisShard:
        shard = RedisShard(ident, "redis://127.0.0.1:1")
        shard.MAX_POLLING_INTERVAL = 3.0
        self.publisher.add_shard(shard)
        shard.state = ShardState.UP
        return shard

    def poll(self, shard: RedisShard, now: float, **fields: float) -> None:
        self.now = now
        raw = "".join(f"{name}:{value}\r\n" for name, value in fields.items()).encode()
        snapshot = Snapshot(raw, shard.revision + 1, WALL + now, 500.0 + now, shard.snapshot)
        previous = shard.snapshot
        shard.store(snapshot, math.nan)
        for callback in self.source.callbacks:
            callback(shard, previous, snapshot)

    def enter(self, shard: RedisShard, state: ShardState) -> None:
        shard.state = state
        self.source.events.emit(shard.id, state.value)

    def values(self, shard: RedisShard, name: str, now: float, count: int = 10) -> list[float]:
        self.now = now
        found = self.history.read(shard, NUMBERS[name], self.history.newest(), count)
        return [] if found is None else [one for (one,) in struct.iter_unpack("<f", found)]


@pytest.fixture
def polled() -> Polled:
    return Polled()


def same(found: list[float], *expected: float) -> bool:
    return found == pytest.approx(list(expected), nan_ok=True)


def test_a_step_has_the_first_info_that_arrived_in_it(polled: Polled) -> None:
    shard = polled.add()
    for now, memory in ((0.5, 1), (2.0, 2), (4.9, 3), (5.0, 4), (9.0, 5), (11.0, 6)):
        polled.poll(shard, now, used_memory=memory)
    assert same(polled.values(shard, "memory", 15.0, 3), 1, 4, 6)


def test_a_step_that_is_not_over_is_not_reported(polled: Polled) -> None:
    shard = polled.add()
    polled.poll(shard, 1.0, used_memory=1)
    polled.poll(shard, 6.0, used_memory=2)
    assert same(polled.values(shard, "memory", 7.0, 2), NAN, 1)
    assert polled.history.grid.time_of(polled.history.newest()) == WALL


def test_the_time_of_a_step_is_a_multiple_of_its_length(polled: Polled) -> None:
    polled.now = 23.4
    assert polled.history.grid.time_of(polled.history.newest()) == WALL + 15


def test_after_the_wall_clock_was_set_times_are_still_multiples(polled: Polled) -> None:
    grid = polled.history.grid
    grid._wall = lambda: WALL + polled.now + 3607.0
    polled.now = 23.4
    assert grid.time_of(polled.history.newest()) == WALL + 15 + 3605


def test_a_rate_is_that_since_the_step_before(polled: Polled) -> None:
    shard = polled.add()
    for now in (1.0, 2.0, 7.0, 8.0, 12.0):
        polled.poll(shard, now, total_net_input_bytes=100 * now)
    assert same(polled.values(shard, "net_in", 15.0, 3), NAN, 100, 100)


def test_a_gap_is_a_gap(polled: Polled) -> None:
    shard = polled.add()
    polled.poll(shard, 1.0, used_memory=1, total_net_input_bytes=10)
    polled.poll(shard, 6.0, used_memory=2, total_net_input_bytes=20)
    polled.enter(shard, ShardState.DOWN)
    assert same(polled.values(shard, "memory", 20.0, 4), 1, 2, NAN, NAN)
    polled.enter(shard, ShardState.UP)
    polled.poll(shard, 21.0, used_memory=5, total_net_input_bytes=50)
    assert same(polled.values(shard, "memory", 25.0, 5), 1, 2, NAN, NAN, 5)
    assert same(polled.values(shard, "net_in", 25.0, 5), NAN, 2, NAN, NAN, NAN)


def test_an_outage_within_a_step_leaves_no_gap(polled: Polled) -> None:
    shard = polled.add()
    polled.poll(shard, 1.0, used_memory=1)
    polled.enter(shard, ShardState.DOWN)
    polled.enter(shard, ShardState.UP)
    polled.poll(shard, 4.0, used_memory=2)
    polled.poll(shard, 7.0, used_memory=3)
    assert same(polled.values(shard, "memory", 10.0, 2), 1, 3)


def test_a_value_is_repeated_while_a_shard_is_polled_less_often(polled: Polled) -> None:
    shard = polled.add()
    shard.MAX_POLLING_INTERVAL = 12.0
    polled.poll(shard, 1.0, used_memory=1)
    assert same(polled.values(shard, "memory", 12.0, 2), 1, 1)
    polled.poll(shard, 13.0, used_memory=2)
    assert same(polled.values(shard, "memory", 20.0, 4), 1, 2, 2, 2)


def test_a_value_is_not_repeated_for_longer_than_polls_take(polled: Polled) -> None:
    shard = polled.add()
    polled.poll(shard, 1.0, used_memory=1)
    assert same(polled.values(shard, "memory", 25.0, 5), 1, 1, 1, NAN, NAN)
    polled.poll(shard, 26.0, used_memory=2)
    assert same(polled.values(shard, "memory", 30.0, 6), 1, NAN, NAN, NAN, NAN, 2)


@pytest.mark.parametrize("state", [ShardState.DOWN, ShardState.BUSY])
def test_a_value_is_not_repeated_over_an_outage(polled: Polled, state: ShardState) -> None:
    shard = polled.add()
    shard.MAX_POLLING_INTERVAL = 12.0
    polled.poll(shard, 1.0, used_memory=1)
    polled.enter(shard, state)
    polled.enter(shard, ShardState.UP)
    polled.poll(shard, 16.0, used_memory=2)
    assert same(polled.values(shard, "memory", 20.0, 4), 1, NAN, NAN, 2)


def test_there_is_no_rate_across_a_restart(polled: Polled) -> None:
    shard = polled.add()
    polled.poll(shard, 1.0, total_net_input_bytes=10)
    polled.source.events.emit(shard.id, lifecycle.RESTARTED)
    polled.poll(shard, 6.0, total_net_input_bytes=20)
    polled.poll(shard, 11.0, total_net_input_bytes=30)
    assert same(polled.values(shard, "net_in", 15.0, 3), NAN, NAN, 2)


def test_fields_that_a_client_library_parsed_are_read(polled: Polled) -> None:
    shard = polled.add()
    snapshot = Snapshot.from_fields({"used_memory": 7, "connected_clients": "x"}, 1, WALL, 501.0)
    polled.source.callbacks[0](shard, None, snapshot)
    assert same(polled.values(shard, "memory", 5.0, 1), 7)
    assert polled.values(shard, "clients", 5.0, 1) == []


def test_a_removed_shard_is_forgotten(polled: Polled) -> None:
    shard = polled.add()
    polled.poll(shard, 1.0, used_memory=1)
    assert len(polled.history) == 1
    polled.publisher.del_shard("a")
    assert len(polled.history) == 0
    again = polled.add()
    polled.poll(again, 6.0, used_memory=2)
    assert same(polled.values(again, "memory", 10.0, 2), NAN, 2)
