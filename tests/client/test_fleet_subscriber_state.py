"""What a FleetSubscriber gives where a delta does not fit, or an event is lost or dropped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

import pytest

from zinfo.client import Delta, Event, Gap
from zinfo.client.fleet_followed import MAX_OWED_EVENTS, Followed, Owed
from zinfo.client.fleet_source import FleetSource
from zinfo.client.fleet_subscriber_state import FleetSubscriberState
from zinfo.client.fleet_updates import FleetUpdate
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
