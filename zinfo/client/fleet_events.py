"""The events of a fleet, from those that its daemons have stored. Pure.

Each daemon that polls a shard counts the events that it saw, at slightly different times. The
events of a shard are given as one daemon saw them, so that no change of it appears twice: of the
daemons that poll the shard now, the one that has stored events of it for longest. What happened
before its first event of the shard is given as the next daemon saw it, in the order of their first
events: after a shard has moved to another slice, its former daemon has the older events.

A daemon polls a shard now if the shard is in its slice. Where that is not known, because slices are
chosen by a label or there are none, the newest event that it has of the shard says so.

Events of a daemon itself are all given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from zinfo.client.fleet_results import FleetEvent
from zinfo.wire.lifecycle import REMOVED, Event


class MemberEvents(NamedTuple):
    """The events that one daemon has stored.

    Attributes:
        endpoint: of the daemon.
        node: its name.
        epoch: of the daemon.
        events: oldest first.
    """

    endpoint: str
    node: str
    epoch: int
    events: Sequence[Event]


def merged_events(
    members: Sequence[MemberEvents], owners: Callable[[str], Collection[str]]
) -> list[FleetEvent]:
    """Return the events of all daemons, oldest first, each change of a shard once.

    Args:
        members: the daemons that answered.
        owners: returns the endpoints of the daemons whose slice has a shard; empty where that is
            not known.
    """
    given: list[FleetEvent] = []
    shards: dict[str, dict[str, list[FleetEvent]]] = {}
    for endpoint, node, epoch, events in members:
        for event in events:
            one = FleetEvent(event, node, epoch, endpoint)
            if event.shard:
                shards.setdefault(event.shard, {}).setdefault(endpoint, []).append(one)
            else:
                given.append(one)
    for shard, histories in shards.items():
        given += _once(list(histories.values()), owners(shard))
    return sorted(given, key=lambda one: (one.event.time, one.endpoint, one.event.number))


def _once(histories: list[list[FleetEvent]], owners: Collection[str]) -> list[FleetEvent]:
    """Return the events of one shard, given those of each daemon."""

    def rank(history: list[FleetEvent]) -> tuple[bool, float]:
        polls = history[0].endpoint in owners if owners else history[-1].event.type != REMOVED
        return not polls, history[0].event.time

    ordered = sorted(histories, key=rank)
    given = ordered[0]
    for history in ordered[1:]:
        begin = min(one.event.time for one in given)
        given = [*given, *(one for one in history if one.event.time < begin)]
    return given
