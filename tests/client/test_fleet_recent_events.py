"""Events of copies that are not followed, and what is given of them at a changeover."""

from __future__ import annotations

import pytest

from tests.client.test_fleet_subscriber_model import FollowedFleet, FollowedMember
from zinfo.client import Changeover, Event, Gap, Snapshot
from zinfo.client.fleet_recent_events import MAX_EVENTS, RecentEvents
from zinfo.wire.slices import SliceSpec

COUNT = 2  # slices, with as many copies: each daemon has all shards
SHARD = "shard-0"


def event(shard: str, number: int) -> Event:
    """An event."""
    return Event(shard, "role_changed", None, None, "", "", number, number, 0.0)


def test_events_are_taken_once_and_from_a_time_on() -> None:
    recent = RecentEvents()
    for number in range(4):
        recent.add(event("a", number), float(number))
    recent.add(event("b", 9), 4.0)
    assert [one.number for one in recent.take("a", 2.0)] == [2, 3]
    assert recent.take("a", 0.0) == []
    assert [one.number for one in recent.take("b", 0.0)] == [9]


def test_they_are_bounded_and_it_is_known_since_when_they_are_complete() -> None:
    recent = RecentEvents()
    for number in range(MAX_EVENTS + 3):
        recent.add(event(f"shard-{number % 7}", number), float(number))
    assert 2.0 < recent.complete_since < 2.1
    taken = [one.number for shard in range(7) for one in recent.take(f"shard-{shard}", 0.0)]
    assert sorted(taken) == list(range(3, MAX_EVENTS + 3))
    recent.interrupt(20_000.0)
    assert recent.complete_since == 20_000.0


@pytest.fixture
def fleet() -> FollowedFleet:
    """Two daemons with all shards; the consumer has the first copies."""
    specs: list[SliceSpec | None] = [SliceSpec(number, COUNT, COUNT) for number in range(COUNT)]
    fleet = FollowedFleet(specs, 1, [0.0, 0.0])
    fleet.shards = {SHARD}
    fleet.follow(1000)
    for member in fleet.members:
        member.start(member.spec)
    assert fleet.recover(8) < 8
    fleet.run(20)
    fleet.subscriber.start()
    fleet.drain()
    fleet.consumer.taken.clear()
    return fleet


def both(fleet: FollowedFleet) -> tuple[FollowedMember, FollowedMember]:
    """The daemon whose copy is followed, and the other one."""
    one, two = fleet.members
    return (one, two) if fleet.consumer.copies[SHARD][0] == one.name else (two, one)


def kinds(fleet: FollowedFleet) -> list[type]:
    """Take what is there; return the types of it, but for the polls."""
    fleet.drain()
    taken, fleet.consumer.taken = fleet.consumer.taken, []
    wanted = (Changeover, Event, Gap, Snapshot)
    return [type(one) for one in taken if isinstance(one, wanted)]


def test_an_event_that_only_the_other_daemon_reported_is_given(fleet: FollowedFleet) -> None:
    followed, other = both(fleet)
    other.daemon.happen(SHARD, "role_changed")
    fleet.run(0.1)
    assert kinds(fleet) == [], "it is not followed"
    followed.kill()
    fleet.run(4)
    assert kinds(fleet) == [Changeover, Event, Snapshot]


def test_an_event_of_long_ago_is_not_given_again(fleet: FollowedFleet) -> None:
    followed, other = both(fleet)
    other.daemon.happen(SHARD, "role_changed")
    fleet.run(60)
    followed.kill()
    fleet.run(4)
    assert kinds(fleet) == [Changeover, Snapshot]


def test_a_change_of_state_that_no_event_explains_is_given(fleet: FollowedFleet) -> None:
    followed, other = both(fleet)
    followed.daemon.enter(SHARD, "down", "timeout")
    fleet.run(0.1)
    assert kinds(fleet) == [Event]
    followed.kill()
    other.daemon.shards[SHARD].state = "up"
    fleet.run(4)
    assert kinds(fleet) == [Changeover, Event, Snapshot]
    assert fleet.consumer.states[SHARD] == ("up", "")


def test_there_is_a_gap_where_the_other_daemon_joined_too_late(fleet: FollowedFleet) -> None:
    followed, other = both(fleet)
    other.start(other.spec)  # again
    fleet.discover(other)
    fleet.run(5)
    assert kinds(fleet) == [Gap], "events of the daemon itself may be lost"
    followed.kill()
    fleet.run(4)
    assert kinds(fleet)[:2] == [Gap, Changeover]


def test_there_is_a_gap_where_an_event_of_the_followed_copy_was_lost(fleet: FollowedFleet) -> None:
    followed, _ = both(fleet)
    for lost in (False, True, False):
        followed.settle()
        followed.daemon.happen(SHARD, "role_changed")
        if lost:
            followed.bus.pop()
    followed.settle()
    fleet.run(5)
    fleet.drain()
    mine = [one for one in fleet.consumer.taken if getattr(one, "shard", None) == SHARD]
    assert Gap(SHARD, "event", None, None) in mine
