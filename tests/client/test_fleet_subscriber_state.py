"""What a FleetSubscriber gives where a delta does not fit, or an event is lost or dropped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

import pytest

from tests.client.test_fleet_model import SILENCE
from tests.client.test_fleet_subscriber_model import FollowedFleet, FollowedMember
from zinfo.client import Delta, Event, Gap
from zinfo.client.fleet_followed import MAX_OWED_EVENTS, Followed, Owed
from zinfo.client.fleet_source import FleetSource
from zinfo.client.fleet_subscriber_state import FleetSubscriberState
from zinfo.client.fleet_updates import Changeover, FleetUpdate
from zinfo.client.mirror_state import MirrorState

SHARD = "shard-0"
OTHER = "shard-1"
GAP = Gap(SHARD, "event", None, None)


def followed() -> Followed:
    """A copy of which revision 5 was given."""
    return Followed("tcp://a:1", "a", 7, 0, ("up", ""), {}, announced=True, revision=5)


def event(shard: str, type_: str) -> Event:
    """An event."""
    return Event(shard, type_, None, None, "", "", 1, 1, 0.0)


def updates_of(state: FleetSubscriberState) -> list[FleetUpdate]:
    """Return all updates that wait."""
    updates = []
    while state.has_updates:
        if (update := state.next()) is not None:
            updates.append(update)
    return updates


@pytest.mark.parametrize(("base", "is_given"), [(5, True), (4, False), (6, False), (0, False)])
def test_a_delta_is_given_only_on_the_revision_that_was_given(base: int, is_given: bool) -> None:
    state, copy = FleetSubscriberState(["delta"]), followed()
    delta = Delta(SHARD, 8, base, 0.0, {"a": 1}, ())
    state._on_delta(delta, copy)
    assert (SHARD in state._queue.owed) is not is_given  # a Snapshot
    assert [one for one in updates_of(state) if isinstance(one, Delta)] == [delta] * is_given
    assert copy.revision == (8 if is_given else 5)


def test_a_removal_is_given_though_the_queue_is_full() -> None:
    state = FleetSubscriberState(["delta", "event"], max_updates=1)
    state._followed[SHARD] = followed()
    assert state._queue.add_event(event(OTHER, "up"))
    state._remove(SHARD, event(SHARD, "removed"))
    updates = updates_of(state)
    assert [one.type for one in updates if isinstance(one, Event)] == ["up", "removed"]
    assert Gap(SHARD, "event", None, None) in updates


def give(state: FleetSubscriberState, seqs: Iterable[int]) -> list[int | Gap]:
    """The events of the shard with these seqs arrive; return those given of all that wait."""
    source = FleetSource("tcp://a:1", MirrorState("tcp://a:1"))
    for seq in seqs:
        one = Event(SHARD, "role_changed", "a", "b", "", "", seq, seq, 0.0)
        state._on_event(one, state._followed[SHARD], source)
    updates = updates_of(state)
    return [one.seq if isinstance(one, Event) else one for one in updates if is_event(one)]


def is_event(update: FleetUpdate) -> TypeGuard[Event | Gap]:
    """Whether an update is an event, or a Gap of events."""
    return isinstance(update, Event) or (isinstance(update, Gap) and update.kind == "event")


def full_state() -> FleetSubscriberState:
    """A FleetSubscriber with a queue of one update, which the next event of the shard takes."""
    state = FleetSubscriberState(["event"], max_updates=1)
    state._followed[SHARD] = followed()
    return state


def test_a_gap_stands_where_the_missing_events_would_be() -> None:
    state = full_state()
    # 1 is queued. 2 finds the queue full. 3 and 4 wait for what is owed. 5 is lost.
    assert give(state, [1, 2, 3, 4, 6]) == [1, GAP, 3, 4, GAP, 6]


def test_a_gap_stands_behind_the_events_where_no_more_of_them_may_wait() -> None:
    state = full_state()
    state._queue.owe(SHARD)
    last = MAX_OWED_EVENTS
    assert give(state, range(1, last + 3)) == [*range(1, last + 1), GAP]
    assert give(state, [last + 3]) == [last + 3]


def test_the_newest_removal_stays_between_gaps_where_the_events_around_it_are_dropped() -> None:
    owed = Owed(SHARD, 0)
    owed.events += [event(SHARD, "role_changed")] * MAX_OWED_EVENTS
    owed.events += [event(SHARD, "removed"), event(SHARD, "added")]
    owed.change_copy(announced=True)
    assert owed.former == [GAP, event(SHARD, "removed"), GAP]


def two_daemons(shards: set[str]) -> FollowedFleet:
    """Two daemons that poll these shards; the consumer has taken all updates."""
    world = FollowedFleet([None, None], 0, [0.0, 0.0])
    world.shards = shards
    world.follow(10_000)
    for member in world.members:
        member.start(None)
    world.recover(5.0)
    world.subscriber.start()
    world.drain()
    world.consumer.taken.clear()
    return world


def events_of(world: FollowedFleet) -> list[Event]:
    """Return the events of the shard that the consumer has taken."""
    return [one for one in world.consumer.taken if isinstance(one, Event) and one.shard == SHARD]


def add_again(member: FollowedMember) -> int:
    """A daemon removes the shard and adds it again, and sees an event; return the seq of this."""
    member.daemon.remove(SHARD)
    member.daemon.add(SHARD)
    member.daemon.happen(SHARD, "role_changed")
    member.settle()
    return member.daemon.seqs[SHARD]


def test_events_of_a_new_shard_begin_when_it_was_added_last() -> None:
    world = two_daemons(set())
    member = world.members[0]
    member.daemon.add(SHARD)
    seq = add_again(member)
    world.run(SILENCE)
    world.drain()
    assert [(one.type, one.seq) for one in events_of(world)] == [
        ("added", seq - 1),
        ("role_changed", seq),
        ("up", seq + 1),
    ]


def test_a_changeover_gives_no_events_from_before_the_copy_was_added_again_but_a_gap() -> None:
    world = two_daemons({SHARD})
    (node, _), first = world.consumer.copies[SHARD], world.members[0]
    followed, other = world.members if node == first.name else reversed(world.members)
    other.daemon.happen(SHARD, "role_changed")
    seq = add_again(other)
    followed.kill()
    world.run(SILENCE)
    world.drain()
    assert world.consumer.copies[SHARD][0] == other.name
    assert [one.seq for one in events_of(world) if one.number] == [seq, seq + 1]
    taken = world.consumer.taken
    assert taken.index(GAP) < taken.index(Changeover(SHARD, other.name, other.daemon.epoch))
