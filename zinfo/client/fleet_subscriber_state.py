"""Decides what a FleetSubscriber gives: the updates of one copy of each shard. Pure.

Each daemon has a Mirror (`zinfo.client.mirror_state`), which finds and repairs every loss, and
reports what changed. For each shard one copy is *followed*. It stays the same while it is current,
so that its deltas form a chain. When it is not current any more, because its daemon is silent, has
started again, or a message was lost, or when its daemon has removed the shard, the current copy
with the newest INFO is followed instead: a `Changeover` and a `Snapshot` are given, and from then
on the deltas that follow from that Snapshot. Where there is no current copy, the shard is said to
be stale, until there is one.

| what happens | what is given |
|---|---|
| a shard is new to the consumer | Changeover, its events with `added`, Snapshot |
| a delta of the followed copy, based on the revision given last | the Delta |
| a whole INFO | a Snapshot |
| the followed copy is not current, another one is | Changeover, missed events, Snapshot |
| no copy is current | StaleShards; later as above, or a Snapshot where the copy is the same |
| the followed copy is removed, no other daemon has one | the Event `removed` |
| too many updates wait for the consumer | Gap, and a Snapshot when it is ready for it |
| shards may exist of which nothing is known | MissingSlices |

Events. Those of the followed copy are given. Those of other copies are stored for a while. At a
changeover those are given that the former copy may not have reported, so an event may come twice.
Daemons do not notice a change at the same moment; therefore these are the events since some polling
intervals before the former copy was known to be complete. A change of state or labels that no event
explains is given as an event with number 0. Where events may be missing, a Gap stands in their
place, before the next event: each shard's events are numbered, a daemon that joined later has not
seen all events, and what is stored is bounded. A Gap with the shard "" is about events of the
daemons themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from zinfo.client.fleet_copies import FleetCopies, report_of
from zinfo.client.fleet_coverage import MemberReport, MissingSlice, coverage
from zinfo.client.fleet_followed import Followed, Owed, inferred_added, inferred_removed
from zinfo.client.fleet_queue import MAX_UPDATES, FleetQueue
from zinfo.client.fleet_source import FleetSource
from zinfo.client.fleet_updates import Changeover, FleetUpdate, MissingSlices, StaleShards
from zinfo.client.mirror_state import MirrorState
from zinfo.client.updates import Delta, Gap, Snapshot
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT, KIND_INFO
from zinfo.wire.lifecycle import ADDED, REMOVED, Event

KINDS: Final = frozenset({KIND_INFO, KIND_DELTA, KIND_EVENT})
"""Kinds of messages of which a FleetSubscriber gives updates."""

OVERLAP_INTERVALS: Final = 3
"""Polling intervals by which one daemon may notice a change later than another."""

OVERLAP_SECONDS: Final = 5.0
"""Seconds that are added to that: timeouts of polls, and messages in transit."""


class FleetSubscriberState:
    """The updates of a fleet, of one copy of each shard.

    Args:
        kinds: "delta" or "info", "event".
        max_updates: bound of the updates that wait for the consumer.
        some_fields: whether the Mirrors are of some fields, and do not report deltas without these.
            The base of a delta is then the revision given last, between which nothing changed.

    Attributes:
        complete: whether the daemons that are heard have all shards.
        missing: slices and daemons without which shards may be missing.

    Raises:
        ValueError: the kinds are not valid.
    """

    def __init__(
        self,
        kinds: Collection[str],
        max_updates: int = MAX_UPDATES,
        *,
        some_fields: bool = False,
    ) -> None:
        unknown = set(kinds) - KINDS
        if unknown or not kinds:
            raise ValueError(f"kinds are info, delta and event, not {sorted(unknown)}")
        if KIND_INFO in kinds and KIND_DELTA in kinds:
            raise ValueError("of the kinds info and delta, give one: both report each change")
        self._deltas, self._infos = KIND_DELTA in kinds, KIND_INFO in kinds
        self._events = KIND_EVENT in kinds
        self._rebases = some_fields
        self.complete = False
        self.missing: tuple[MissingSlice, ...] = ()
        self._started = False
        self._missing_given: tuple[MissingSlice, ...] = ()
        self._sources: dict[str, FleetSource] = {}
        self._names: Sequence[MemberReport] = ()
        self._followed: dict[str, Followed] = {}
        self._dirty: set[str] = set()
        self._newly_stale: set[str] = set()
        self._queue = FleetQueue(max_updates)
        self._made: deque[FleetUpdate] = deque()
        self._reports: list[MemberReport] = []
        self._copies = FleetCopies((), coverage(()), 0.0)

    # --- inputs

    def set_members(
        self, mirrors: Mapping[str, MirrorState], names: Sequence[MemberReport] = ()
    ) -> None:
        """Take over the daemons of the fleet.

        Args:
            mirrors: by endpoint; those that were there before are the same.
            names: reports of names that have no address.
        """
        former, self._names = self._sources, names
        self._sources = {
            endpoint: former.get(endpoint) or FleetSource(endpoint, mirror)
            for endpoint, mirror in mirrors.items()
        }
        gone = former.keys() - self._sources.keys()
        for shard, followed in self._followed.items() if gone else ():
            if followed.endpoint in gone:
                followed.certain_until = (
                    followed.certain_until or former[followed.endpoint].certain_until
                )
                self._dirty.add(shard)

    def start(self) -> None:
        """From now on, a shard that is new to the consumer was added: it gets that event."""
        self._started = True

    def on_message(self, endpoint: str, now: float) -> None:
        """Take over what a message changed in a Mirror."""
        source = self._sources.get(endpoint)
        if source is None:
            return
        changes, source.mirror.changes = source.mirror.changes, []
        if source.on_message(now, started=self._started) and self._events:
            self._queue.owe("").add_gap()
        for change in changes:
            followed = self._followed.get(change.shard)
            if isinstance(change, Event) and not change.shard:
                if self._events:
                    self._queue.add_event(change)
            elif followed is None or not self._is_followed(followed, source):
                if isinstance(change, Event) and change.number and self._events:
                    source.events.add(change, now)
                if followed is None or isinstance(change, Event):
                    self._dirty.add(change.shard)
            elif isinstance(change, Event):
                self._on_event(change, followed, source)
            else:
                self._on_delta(change, followed)

    def settle(self, now: float) -> None:
        """Choose the copies again where that is needed; after messages, and after `tick`."""
        changed = False
        for source in self._sources.values():
            changed |= source.update(now, self._dirty)
        states = [source.mirror for source in self._sources.values()]
        reports = [
            *(
                report_of(endpoint, source.mirror, now)
                for endpoint, source in self._sources.items()
            ),
            *self._names,
        ]
        covered = self._copies.coverage
        if reports != self._reports:
            self._reports, covered = reports, coverage(reports)
        self._copies = FleetCopies(states, covered, now)
        if changed or covered.complete != self.complete:
            self._dirty.update(self._followed, *(state.store.records for state in states))
        self.complete, self.missing = covered
        dirty, self._dirty = self._dirty, set()
        for shard in dirty:
            if shard:
                self._choose(shard, now)
        for source in self._sources.values():
            source.note_certain(now)

    # --- the consumer

    @property
    def has_updates(self) -> bool:
        """Whether `next` has something to return; it may find that it has nothing."""
        return bool(self._made or self._newly_stale or self._queue or self._missing_changed)

    @property
    def _missing_changed(self) -> bool:
        """Whether other slices are missing than the consumer knows; their problems may differ."""
        given = [one[:2] for one in self._missing_given]
        return self._started and given != [one[:2] for one in self.missing]

    def next(self) -> FleetUpdate | None:
        """Return the next update; None where there is none now."""
        while not self._made:
            if self._missing_changed:
                self._missing_given = self.missing
                return MissingSlices(self.missing)
            if self._newly_stale:
                stale, self._newly_stale = frozenset(self._newly_stale), set()
                return StaleShards(stale)
            owed = self._queue.next_owed()
            if owed is None:
                return self._queue.next_queued()
            self._make(*owed)
        return self._made.popleft()

    def _make(self, shard: str, owed: Owed) -> None:
        """Make the updates that are owed to a shard."""
        if owed.lacks_deltas:
            self._made.append(Gap(shard, KIND_DELTA, None, None))
        followed = self._followed.get(shard)
        self._made += owed.former
        if followed is None:
            self._made += owed.events
            return
        if owed.lacks_events:
            followed.on_gap()
        source = self._source_of(followed)
        record = None if source is None else source.mirror.store.records.get(shard)
        gives = record is not None and not followed.stale
        recovers = owed.recovers and not self._deltas and not self._infos
        if (gives or owed.events) and (not followed.announced or recovers):
            followed.announced = True
            self._made.append(Changeover(shard, followed.node, followed.epoch))
        self._made += owed.events
        if record is None or source is None or followed.stale:
            return  # it is owed to the shard again when it is current
        if self._events:
            self._made += followed.inferred_events(shard, record, source.wall_time)
        if self._deltas or self._infos:
            info = source.mirror.store.info(shard)
            if source.mirror.store.is_suspect(shard):  # for example, as it cannot be decoded
                followed.stale = True
                self._newly_stale.add(shard)
                self._dirty.add(shard)
                return
            followed.revision = record.revision
            self._made.append(Snapshot(shard, record.revision, record.time, info or {}))

    # --- changes of the followed copy

    def _source_of(self, followed: Followed | None) -> FleetSource | None:
        """Return the daemon of a copy; None where it does not have this copy any more."""
        source = None if followed is None else self._sources.get(followed.endpoint)
        if followed is None or source is None or not self._is_followed(followed, source):
            return None
        return source

    def _is_followed(self, followed: Followed, source: FleetSource) -> bool:
        return (
            followed.endpoint == source.endpoint
            and followed.epoch == source.mirror.epoch
            and followed.removed is None
        )

    def _on_event(self, event: Event, followed: Followed, source: FleetSource) -> None:
        shard = event.shard
        if event.type == REMOVED:
            if self._events and event.number and event.seq > followed.seq + 1:
                self._queue.owe(shard).add_gap()
            others = [one for one in self._sources.values() if one is not source]
            if any(shard in one.mirror.store.records for one in others):
                followed.removed = event
                followed.certain_until = source.certain_until
                self._dirty.add(shard)
            else:
                self._remove(shard, event)
            return
        if event.seq <= followed.seq and event.number:
            return
        first_missing, followed.seq = followed.seq + 1, max(followed.seq, event.seq)
        if not self._events:
            return
        if event.seq >= first_missing + (event.number > 0):
            self._queue.owe(shard).add_gap()
        if self._queue.add_event(event):
            followed.note(event)

    def _on_delta(self, delta: Delta, followed: Followed) -> None:
        shard = delta.shard
        if delta.revision <= followed.revision or followed.stale:
            return  # a Snapshot had it, or will have it
        if self._infos:
            self._queue.owe(shard)
        if not self._deltas or shard in self._queue.owed:
            return
        if self._rebases and delta.base > followed.revision > 0:
            delta = replace(delta, base=followed.revision)
        if not delta.base or delta.base != followed.revision:
            self._queue.owe(shard)
            return
        if self._queue.add_delta(delta):
            followed.revision = delta.revision

    # --- choice of the copy

    def _choose(self, shard: str, now: float) -> None:
        followed = self._followed.get(shard)
        if not self._copies.has(shard):
            if followed is not None:
                wall_time = self._wall_time(followed)
                removed = followed.removed or inferred_removed(shard, followed, wall_time)
                self._remove(shard, removed)
            return
        source = self._source_of(followed)
        if followed is not None and source is not None and source.is_current(shard, now):
            self._keep(shard, followed, source)
            return
        if followed is not None and followed.certain_until is None:
            followed.certain_until = self._sources[followed.endpoint].certain_until
        best = self._best(shard, now)
        if best is not None:
            self._switch(shard, followed, best)
        elif followed is not None and not followed.stale:
            followed.stale = True
            self._newly_stale.add(shard)

    def _best(self, shard: str, now: float) -> FleetSource | None:
        current = [one for one in self._sources.values() if one.is_current(shard, now)]
        if not current:
            return None
        return max(current, key=lambda one: one.mirror.store.records[shard].polled_at)

    def _keep(self, shard: str, followed: Followed, source: FleetSource) -> None:
        """The followed copy is current."""
        followed.certain_until = None
        record = source.mirror.store.records[shard]
        if self._events and record.seq > followed.seq:  # an event was lost, and changed no state
            self._queue.owe(shard).add_gap()
        followed.seq = max(followed.seq, record.seq)
        if followed.stale:
            followed.stale = False
            self._newly_stale.discard(shard)
            self._queue.owe(shard).recovers = True

    def _switch(self, shard: str, former: Followed | None, source: FleetSource) -> None:
        """Follow another copy."""
        record, epoch = source.mirror.store.records[shard], source.mirror.epoch
        assert epoch is not None
        followed = Followed(
            source.endpoint,
            source.mirror.session.node,
            epoch,
            record.seq,
            (record.state, record.reason),
            dict(record.labels),
        )
        self._followed[shard] = followed
        self._newly_stale.discard(shard)
        owed = self._queue.owe(shard)
        owed.recovers = former is not None
        owed.change_copy(announced=former is None or former.announced)
        if not self._events:
            return
        events, lacks_events = self._missed_events(shard, former, source)
        if lacks_events:
            owed.add_gap()
        if former is not None:
            followed.state, followed.labels = former.state, former.labels
        elif self._started and not any(event.type == ADDED for event in events):
            events.insert(0, inferred_added(shard, record, source.wall_time))
        for event in events:
            if self._queue.add_event(event):
                followed.note(event)

    def _missed_events(
        self, shard: str, former: Followed | None, source: FleetSource
    ) -> tuple[list[Event], bool]:
        """Return the events of a copy that were not given while another copy was followed.

        They begin when the daemon added the shard last: earlier ones are of a copy that it removed.

        Returns:
            The events, and whether others are missing before them.
        """
        complete_since = source.events.complete_since
        since = complete_since if former is None else self._since(former, source, shard)
        events: list[Event] = []
        drops = False
        for event in source.events.take(shard, since):
            if event.type == REMOVED:
                drops, events = drops or bool(events), []
            elif former is None or event.type != ADDED:
                events.append(event)
        return events, former is not None and (drops or since < complete_since)

    def _since(self, former: Followed, source: FleetSource, shard: str) -> float:
        """Return the local time since which the former copy may have missed events."""
        assert former.certain_until is not None
        interval = source.mirror.store.records[shard].interval
        return former.certain_until - OVERLAP_SECONDS - OVERLAP_INTERVALS * interval

    def _remove(self, shard: str, event: Event) -> None:
        followed, owed = self._followed.pop(shard), self._queue.owed.get(shard)
        if not followed.announced:
            event = replace(event, number=0)  # of a copy that the consumer has not heard of
            if owed is not None:
                owed.change_copy(announced=False)
        self._newly_stale.discard(shard)
        for source in self._sources.values():
            source.events.take(shard, 0.0)
        if self._events and not self._queue.add_event(event):
            self._queue.owe(shard).remove(event)

    def _wall_time(self, followed: Followed) -> float:
        source = self._sources.get(followed.endpoint)
        return 0.0 if source is None else source.wall_time
