"""Fields that clients request again and again are read when a reply arrives, and only those."""

from __future__ import annotations

import array
import struct

from zinfo.query.field_planner import FORGET_AFTER, FieldPlanner
from zinfo.shards.followed_rows import FollowedRows
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot


class World:
    """A planner whose time and polls a test decides."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.rows = FollowedRows()
        self.planner = FieldPlanner(self.rows, lambda: self.now)
        self.shard = RedisShard("s", "redis://127.0.0.1:1")
        self.shard.join(self.rows)

    def poll(self, raw: bytes = b"a:1\nb:2") -> None:
        self.shard.store(Snapshot(raw, 1, 5.0, self.now), 0)

    @property
    def planned(self) -> list[str]:
        return self.planner.followed

    def values(self) -> list[int]:
        """Return the integers in the row of the shard, without the fields that it lacks."""
        found = self.rows.gather(array.array("I", [0]), self.planned, self.now)
        assert found is not None
        return [struct.unpack("<q", values)[0] for values, marks in found.columns if any(marks)]


def test_a_field_is_followed_when_it_is_requested_twice_within_a_minute() -> None:
    world = World()
    world.planner.record(["a"])
    assert world.planned == []
    world.now += FORGET_AFTER
    world.planner.record(["a", "b"])
    assert world.planned == ["a"]
    world.poll()
    assert world.values() == [1]


def test_a_field_that_is_requested_every_hour_is_never_followed() -> None:
    world = World()
    for _ in range(3):
        world.planner.record(["a"])
        world.now += FORGET_AFTER + 1
    assert world.planned == []


def test_what_is_not_requested_for_a_minute_is_forgotten_at_the_next_poll() -> None:
    world = World()
    for _ in range(2):
        world.planner.record(["a", "b"])
    world.now += FORGET_AFTER / 2
    world.planner.record(["b"])
    world.now += FORGET_AFTER / 2 + 1
    world.poll()
    assert world.planned == ["b"]
    world.now += FORGET_AFTER
    world.poll()
    assert world.planned == []


def test_the_rows_are_the_same_as_long_as_the_same_fields_are_requested() -> None:
    world = World()
    for _ in range(2):
        world.planner.record(["a", "b"])
    fields = world.rows.fields
    for _ in range(20):
        world.now += FORGET_AFTER / 3
        world.planner.record(["b", "a"])
        world.poll()
    assert world.rows.fields is fields


def test_at_most_64_fields_are_followed_and_those_that_are_requested_stay() -> None:
    world = World()
    for _ in range(2):
        world.planner.record(["a"])
    for number in range(1000):
        for _ in range(2):
            world.planner.record([f"x{number}"])
        world.planner.record(["a"])
    assert len(world.planned) == 64
    assert world.planned[0] == "a"
    assert len(world.planner._requested) <= 256
    world.now += FORGET_AFTER + 1
    world.poll()
    assert world.planned == []
