"""What a FleetSubscriber has given of one shard, and what it owes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from zinfo.client.record import Record
from zinfo.client.updates import Gap
from zinfo.wire.bus_messages import KIND_EVENT
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, STATES, Event

MAX_OWED_EVENTS: Final = 64
"""Events of one shard that wait for its Snapshot; above it they are dropped, with a Gap."""


@dataclass(slots=True, eq=False)
class Followed:
    """The copy of a shard that is followed, and what was given of it.

    Attributes:
        endpoint: of the daemon.
        node: name of the daemon.
        epoch: of the daemon.
        revision: of the INFO given last; 0 where none was given of this copy.
        seq: count of the shard's newest event that was given, or that was before.
        state: state and reason, as the events given say; None where an event is missing.
        labels: the same of the labels; None also where an event did not have them.
        announced: whether the Changeover to this copy was given.
        removed: the event with which the daemon removed the shard, while another one may still have
            it; None where it has not.
        stale: whether no copy is current.
        certain_until: local clock until which the events of this copy are known to be complete;
            set when it is no longer current.
    """

    endpoint: str
    node: str
    epoch: int
    seq: int
    state: tuple[str, str] | None
    labels: Mapping[str, str] | None
    announced: bool = False
    revision: int = 0
    removed: Event | None = None
    stale: bool = False
    certain_until: float | None = None

    def on_gap(self) -> None:
        """Events are missing: what was given may be wrong."""
        self.state = self.labels = None

    def note(self, event: Event) -> None:
        """Take over what an event says."""
        if event.type in STATES:
            self.state = (event.new or event.type, event.reason)
        elif event.type == ADDED:
            self.state, self.labels = (event.new or "new", ""), event.labels
        elif event.type == LABELS_CHANGED:
            self.labels = event.labels

    def inferred_events(self, shard: str, record: Record, wall_time: float) -> list[Event]:
        """Return the events, with number 0, that lead from what was given to the state now.

        Args:
            shard: its id.
            record: what the daemon has.
            wall_time: for the events, seconds since the Unix epoch.
        """
        events = []
        if self.state != (record.state, record.reason):
            events.append(
                _event(
                    shard,
                    record.state,
                    record.seq,
                    wall_time,
                    old=self.state and self.state[0],
                    new=record.state,
                    reason=record.reason,
                )
            )
        if self.labels != record.labels:
            labels = dict(record.labels)
            events.append(_event(shard, LABELS_CHANGED, record.seq, wall_time, labels=labels))
        for event in events:
            self.note(event)
        return events


@dataclass(slots=True)
class Owed:
    """Updates of one shard that are made when the consumer is ready for them.

    A Gap stands between the events, where those that are missing would be.

    Attributes:
        shard: its id.
        after: number of queued updates that have to be given before.
        former: events of the copy that was followed before, to be given before the Changeover.
        events: of the followed copy, to be given before the Snapshot.
        lacks_deltas: whether deltas are missing.
        recovers: whether the shard was said to be stale.
    """

    shard: str
    after: int
    former: list[Event | Gap] = field(default_factory=list)
    events: list[Event | Gap] = field(default_factory=list)
    lacks_deltas: bool = False
    recovers: bool = False

    @property
    def lacks_events(self) -> bool:
        """Whether events are missing."""
        return any(isinstance(one, Gap) for one in (*self.former, *self.events))

    def add_gap(self) -> None:
        """Note that events are missing after those that wait, and before any later one."""
        waiting = self.events or self.former
        if not waiting or not isinstance(waiting[-1], Gap):
            waiting.append(self._gap())

    def _gap(self) -> Gap:
        return Gap(self.shard, KIND_EVENT, None, None)

    def change_copy(self, *, announced: bool) -> None:
        """Another copy is followed from now on.

        Args:
            announced: whether the Changeover to the former copy was given. Events of a copy that
                the consumer never heard of are dropped.
        """
        dropped, self.events = self.events, []
        if announced:
            self.former += dropped
        elif dropped:
            self.add_gap()
        if len(self.former) > MAX_OWED_EVENTS:
            removals = [
                one for one in self.former if isinstance(one, Event) and one.type == REMOVED
            ]
            self.former = [self._gap(), *removals[-1:]]
            self.add_gap()

    def remove(self, event: Event) -> None:
        """No daemon has the shard any longer, and the event could not be queued."""
        self.former, self.events = [self._gap(), event], []


def inferred_added(shard: str, record: Record, wall_time: float) -> Event:
    """Return the event, with number 0, for a shard that is new to the consumer."""
    labels = dict(record.labels)
    return _event(shard, ADDED, record.seq, wall_time, new=record.state, labels=labels)


def inferred_removed(shard: str, followed: Followed, wall_time: float) -> Event:
    """Return the event, with number 0, for a shard that no daemon has any longer."""
    return _event(
        shard, "removed", followed.seq, wall_time, old=followed.state and followed.state[0]
    )


def _event(
    shard: str,
    type_: str,
    seq: int,
    time: float,
    *,
    old: str | None = None,
    new: str | None = None,
    reason: str = "",
    labels: Mapping[str, str] | None = None,
) -> Event:
    return Event(shard, type_, old, new, reason, "", 0, seq, time, labels)
