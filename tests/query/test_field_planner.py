"""Fields that clients request again and again are read when a reply arrives, and only those."""

from __future__ import annotations

from typing import Any

import pytest

from tests.query.test_column_operations import Source
from zinfo.query.field_planner import FORGET_AFTER, FieldPlanner
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot

SHARD = RedisShard("s", "redis://127.0.0.1:1")


class World:
    """A planner whose time and polls a test decides."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.source = Source()
        source: Any = self.source
        self.planner = FieldPlanner(source, lambda: self.now)

    def poll(self, raw: bytes = b"a:1\nb:2") -> Snapshot:
        snapshot = Snapshot(raw, 1, 5.0, self.now)
        for callback in self.source.callbacks:
            callback(SHARD, None, snapshot)
        return snapshot

    @property
    def planned(self) -> list[str]:
        return list(self.planner.plan.places) if self.planner.plan else []


def test_a_field_is_planned_when_it_is_requested_twice_within_a_minute() -> None:
    world = World()
    world.planner.record(["a"])
    assert (world.planned, world.poll().cells) == ([], b"")
    world.now += FORGET_AFTER
    world.planner.record(["a", "b"])
    assert world.planned == ["a"]
    plan = world.planner.plan
    assert plan is not None
    assert world.poll().cells == plan.read(b"a:1\nb:2")


def test_a_field_that_is_requested_every_hour_is_never_planned() -> None:
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
    assert world.poll().cells == b""
    assert world.planned == []


def test_the_plan_is_the_same_as_long_as_the_same_fields_are_requested() -> None:
    world = World()
    for _ in range(2):
        world.planner.record(["a", "b"])
    plan = world.planner.plan
    for _ in range(20):
        world.now += FORGET_AFTER / 3
        world.planner.record(["b", "a"])
        world.poll()
    assert world.planner.plan is plan


def test_at_most_64_fields_are_planned_and_those_that_are_requested_stay() -> None:
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


@pytest.mark.parametrize("raw", [b"", b"a:1\n" + b"x" * (1 << 20)], ids=["none", "large"])
def test_a_reply_without_text_or_with_very_much_is_not_read_at_the_poll(raw: bytes) -> None:
    world = World()
    for _ in range(2):
        world.planner.record(["a"])
    assert world.poll(raw).cells == b""
