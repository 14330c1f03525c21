"""What a FleetSubscriber gives where a delta does not fit, or an event finds the queue full."""

from __future__ import annotations

import pytest

from zinfo.client import Delta, Event, Gap
from zinfo.client.fleet_followed import Followed
from zinfo.client.fleet_subscriber_state import FleetSubscriberState
from zinfo.client.fleet_updates import FleetUpdate

SHARD = "shard-0"
OTHER = "shard-1"


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
