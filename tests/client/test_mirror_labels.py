"""A Mirror of the shards with some labels, in a world without sockets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client.test_mirror_state import ask, beat, deliver, lose, send_page, stale
from tests.client.world import World
from zinfo.wire.codec import pack, unpack
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, Event

FRA: dict[str, Any] = {"site": "fra"}
LON: dict[str, Any] = {"site": "lon"}


def joined(**options: Any) -> World:
    """A world whose Mirror follows the shards in fra: a, but not b."""
    world = World(labels=FRA, **options)
    world.daemon.add("a", **FRA)
    world.daemon.add("b", **LON)
    for shard in "ab":
        world.daemon.poll(shard)
    world.recover()
    world.check_equal()
    assert held(world) == {"a"}
    world.reported.clear()
    return world


def held(world: World) -> set[str]:
    return set(world.mirror.store.records)


def events(world: World) -> list[Event]:
    return [change for change in world.reported if isinstance(change, Event)]


def without_labels(world: World) -> None:
    """Take the labels from the newest event, as if they were too large for it."""
    frames = world.bus[-1]
    message: Any = unpack(frames[2])
    del message["labels"]
    world.bus[-1] = [*frames[:2], pack(message)]


def settled(world: World) -> None:
    """Let the Mirror request what it needs, and check that it has all, and no other shards."""
    world.recover()
    assert not stale(world)
    world.check_equal()


def test_only_shards_with_all_labels_are_requested_and_held() -> None:
    world = World(labels={"site": "fra", "rack": "7"})
    world.daemon.add("a", site="fra", rack="7", role="cache")
    world.daemon.add("b", site="fra", rack="8")
    world.daemon.add("c", site="fra")
    world.tick()
    world.settle()
    beat(world)
    ask(world)
    request: Any = unpack(world.requests[0][1])
    assert request["args"] == {"labels": {"site": "fra", "rack": "7"}}
    settled(world)
    assert held(world) == {"a"}


def test_other_shards_need_no_requests_and_are_not_reported() -> None:
    world = joined()
    snapshots = world.mirror.resync.count
    world.daemon.poll("b", {"role": "slave"})
    world.daemon.enter("b", "down", "refused")
    world.daemon.relabel("b", site="ams")
    world.daemon.remove("b")
    world.daemon.add("c", **LON)
    world.daemon.poll("c")
    deliver(world)
    assert not stale(world)
    world.run(3.0)
    settled(world)
    assert world.mirror.resync.count == snapshots
    assert world.mirror.gaps == 0, "the number of shards in heartbeats is that of all"
    # Each change that is reported has a shard, which mypy cannot know of `object`.
    assert {change.shard for change in world.reported} == {"a"}  # type: ignore[attr-defined]


def test_a_shard_leaves_at_once_when_its_label_changes() -> None:
    world = joined()
    snapshots = world.mirror.resync.count
    world.daemon.relabel("a", **LON)
    deliver(world)
    assert held(world) == set()
    assert not stale(world)
    (left,) = events(world)
    assert (left.shard, left.type, left.old, left.number) == ("a", REMOVED, "up", 0)
    settled(world)
    assert world.mirror.resync.count == snapshots, "nothing had to be requested"


def test_a_shard_enters_at_once_when_its_label_changes() -> None:
    world = joined()
    world.daemon.relabel("b", **FRA)
    deliver(world)
    assert held(world) == {"a", "b"}
    assert stale(world), "its INFO is missing"
    assert not world.mirror.fresh("b", world.now)
    assert world.mirror.fresh("a", world.now)
    (entered,) = events(world)
    assert (entered.shard, entered.type, entered.number) == ("b", ADDED, 0)
    assert entered.labels == FRA
    ask(world)
    request: Any = unpack(world.requests[0][1])
    assert request["args"]["ids"] == ["b"]
    settled(world)
    assert [event.type for event in events(world)] == [ADDED, "up"]


def test_a_change_of_another_label_is_reported_as_it_is() -> None:
    world = joined()
    world.daemon.relabel("a", site="fra", rack="7")
    deliver(world)
    assert world.mirror.store.records["a"].labels == {"site": "fra", "rack": "7"}
    (event,) = events(world)
    assert (event.type, event.labels) == (LABELS_CHANGED, {"site": "fra", "rack": "7"})


@pytest.mark.parametrize(("shard", "labels"), [("a", LON), ("a", FRA), ("b", FRA), ("b", LON)])
def test_labels_that_are_too_large_for_an_event_are_requested(
    shard: str, labels: dict[str, str]
) -> None:
    world = joined()
    world.daemon.relabel(shard, sent=False, **labels, large="x")
    deliver(world)
    assert stale(world)
    assert shard in world.mirror.stale_shards(world.now)
    settled(world)


@pytest.mark.parametrize("labels", [FRA, LON])
def test_a_new_shard_whose_labels_are_too_large_for_an_event_is_requested(
    labels: dict[str, str],
) -> None:
    world = joined()
    world.daemon.add("c", **labels)
    without_labels(world)
    world.daemon.poll("c")
    deliver(world)
    assert stale(world)
    settled(world)


def test_a_shard_added_again_with_unknown_labels_is_not_held() -> None:
    world = joined()
    world.daemon.remove("a")
    lose(world)
    world.daemon.add("a", **LON)
    without_labels(world)
    deliver(world)
    assert held(world) == set()
    assert stale(world)
    settled(world)


def test_a_page_that_is_older_than_a_change_of_labels_does_not_bring_a_shard_back() -> None:
    world = joined()
    world.daemon.relabel("b", **FRA)
    deliver(world)
    ask(world)
    world.serve()  # the page has b
    world.daemon.relabel("b", **LON)
    deliver(world)
    assert held(world) == {"a"}
    world.deliver_reply()
    assert held(world) == {"a"}
    settled(world)


def test_a_page_that_is_older_than_an_event_of_its_shard_is_not_trusted() -> None:
    world = World(labels=FRA)
    world.daemon.add("a", **FRA)
    world.daemon.poll("a")
    world.tick()
    world.settle()
    send_page(world)
    world.daemon.enter("a", "down", "refused")
    deliver(world)  # the Mirror does not know yet whether a has the labels
    world.deliver_reply()
    assert world.mirror.store.records["a"].state == "up", "the page is older"
    assert not world.mirror.fresh("a", world.now)
    settled(world)


def test_a_page_without_a_shard_is_not_trusted_if_its_labels_have_changed_since() -> None:
    world = joined()
    world.daemon.relabel("b", sent=False, site="ams")
    deliver(world)
    ask(world)
    world.serve()  # the page does not have b
    world.daemon.relabel("b", sent=False, **FRA)
    deliver(world)
    world.deliver_reply()
    assert stale(world)
    settled(world)
    assert held(world) == {"a", "b"}


def test_a_lost_delta_is_noticed_although_only_some_shards_are_held() -> None:
    world = joined()
    world.daemon.poll("b")
    deliver(world)
    world.daemon.poll("a")
    lose(world)
    beat(world)
    assert stale(world)
    settled(world)


def test_a_lost_change_of_labels_is_noticed() -> None:
    for shard, labels in (("a", LON), ("b", FRA)):
        world = joined()
        world.daemon.relabel(shard, **labels)
        lose(world)
        beat(world)
        assert stale(world)
        settled(world)


def test_shards_are_filtered_if_the_daemon_does_not_select_by_label() -> None:
    world = World(labels=FRA)
    world.daemon.add("a", **FRA)
    world.daemon.add("b", **LON)
    snapshot = world.daemon._snapshot
    # Replaced, because a daemon of an older version ignores the labels.
    world.daemon._snapshot = lambda args: snapshot({**args, "labels": {}})  # type: ignore[method-assign]
    settled(world)
    assert held(world) == {"a"}


def test_ids_and_labels_can_be_combined() -> None:
    world = World(("a", "b"), labels=FRA)
    world.daemon.add("a", **FRA)
    world.daemon.add("b", **LON)
    world.daemon.add("c", **FRA)
    settled(world)
    assert held(world) == {"a"}
    world.daemon.relabel("b", **FRA)
    world.daemon.relabel("a", **LON)
    settled(world)
    assert held(world) == {"b"}


def test_another_daemon_may_have_other_labels() -> None:
    world = joined()
    world.restart_daemon()
    world.daemon.add("a", **LON)
    world.daemon.add("b", **FRA)
    settled(world)
    assert held(world) == {"b"}


@pytest.mark.parametrize("labels", [None, FRA])
def test_events_of_the_daemon_are_reported_and_are_no_sign_of_a_loss(
    labels: dict[str, str] | None,
) -> None:
    world = World(labels=labels)
    world.recover()
    snapshots = world.mirror.resync.count
    world.daemon._event("", "fault", None, None, "bus")
    deliver(world)
    assert [event.type for event in events(world)] == ["fault"]
    assert not stale(world)
    world.run(3.0)
    assert world.mirror.resync.count == snapshots
