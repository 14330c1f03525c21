"""ReplayCache: the shards of a replay, changed by recorded updates instead of polls.

It is a `SnapshotSource`, as `InfoPoller` is, so that the bus and the query endpoint serve it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

from zinfo.client.decoding import SnapshotEntry
from zinfo.client.updates import Delta, Info
from zinfo.errors import BadRequestError, RecordingError
from zinfo.info.delta import Delta as Changes
from zinfo.info.parser import Info as ParsedInfo
from zinfo.info.parser import Layout
from zinfo.query.servicer import InfoProviderServicer, InfoQuery, LookupResult
from zinfo.recording.segments import LabelUpdate, Recorded, Segment
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot, server_version
from zinfo.shards.source import SnapshotCallback
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, STATES, Event


class ReplayedSnapshot(Snapshot):
    """A recorded INFO: fields without the text that they were parsed from.

    Args:
        fields: field to value.
        revision: as recorded.
        time: as recorded: the daemon's wall clock at the poll, seconds since the Unix epoch.
        at: monotonic clock from which its age counts.
        delta: the recorded change.
    """

    __slots__ = ("_delta",)

    def __init__(
        self, fields: Info, revision: int, time: float, at: float, delta: Delta | None = None
    ) -> None:
        super().__init__(b"", revision, time, at)
        self._parsed = ParsedInfo(b"", fields, {}, Layout.of(()))
        self._delta = delta

    def changes_from(self, previous: Snapshot | None) -> Changes:
        """Return the recorded change."""
        if self._delta is None:
            return super().changes_from(previous)
        return Changes(dict(self._delta.set), list(self._delta.unset))


class ReplayedShard(RedisShard):
    """A shard that is never polled.

    Args:
        ident: its id.
        labels: its labels; None where unknown.
        interval: seconds between two polls when it was recorded.
        since: wall clock at which its state began; None where unknown.
    """

    def __init__(
        self,
        ident: str,
        labels: Mapping[str, str] | None,
        interval: float,
        since: float | None = None,
    ) -> None:
        super().__init__(ident, None, labels)
        self.since = since
        self.interval = interval

    def polling_interval(self) -> float:
        """Return the seconds between the last two recorded polls."""
        return self.interval

    def set_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot as the newest INFO."""
        self.store(snapshot, math.nan)
        self.role = snapshot.text(b"role")
        self.run_id = snapshot.text(b"run_id")
        version = server_version(snapshot)
        self.version = version and version.text

    def set_state(self, state: str, reason: str, message: str, since: float | None) -> None:
        """Set the state, and when it began; one that only a later version knows becomes "new"."""
        known = state in ShardState._value2member_map_
        self.state = ShardState(state) if known else ShardState.NEW
        self.since = since
        self.reason, self.last_error = reason, message
        self.failures = int(self.state not in (ShardState.UP, ShardState.NEW))


class ReplayedServicer(InfoProviderServicer):
    """Answers queries from a recording, in which fields have no sections."""

    def select(self, shard_id: str, query: InfoQuery, now: float) -> LookupResult | None:
        """Return one shard's part of a query's result; None where the query leaves it out.

        Raises:
            BadRequestError: the query names sections.
            KeyError: as for a daemon.
        """
        if query.sections:
            raise BadRequestError(
                "this is a replay: a recording has no sections; request fields by name"
            )
        return super().select(shard_id, query, now)


class ReplayCache:
    """The shards and events of one start of the recorded daemon.

    Attributes:
        publisher: the live shards.
        events: their lifecycle events, with the recorded numbers.
        revisions: successful polls so far, as the daemon counted them.
    """

    def __init__(self) -> None:
        self.publisher = ShardPublisher()
        self.events = EventLog()
        self.revisions = 0
        self._callbacks: list[SnapshotCallback] = []
        self._is_complete = True  # whether recorded event numbers and totals can be used

    def subscribe_snapshots(self, callback: SnapshotCallback) -> None:
        """Call `callback(shard, previous, snapshot)` at every snapshot; it must not block."""
        self._callbacks.append(callback)

    def refresh(self, shard_id: str, floor: float) -> None:
        """Do nothing: there is no server to poll."""

    def apply(self, update: Recorded) -> None:
        """Apply a recorded update.

        Raises:
            RecordingError: its base is not the revision held.
        """
        if isinstance(update, Delta):
            self._apply_delta(update)
        elif isinstance(update, Event):
            self._apply_event(update)
        elif isinstance(update, Segment):
            self._apply_segment(update)
        elif isinstance(update, LabelUpdate):
            self._apply_labels(update)

    # --- segments

    def _apply_segment(self, segment: Segment) -> None:
        """Replace all shards by those at the start of a segment.

        Clients must notice the gap before it: by the daemon's own totals where these were recorded,
        otherwise by totals that skip one.
        """
        entries = {entry.shard: entry for entry in segment.entries}
        for shard_id in self.publisher.get_live_shard_ids().difference(entries):
            self.publisher.del_shard(shard_id)
        for entry in entries.values():
            self._apply_entry(entry)
        self._is_complete = segment.complete
        seqs = {entry.shard: entry.seq for entry in segment.entries}
        if segment.complete:
            self.revisions = segment.revisions
            self.events.continue_from(segment.events, seqs)
        else:
            self.revisions += 1
            self.events.continue_from(self.events.newest + 1, seqs)

    def _apply_entry(self, entry: SnapshotEntry) -> None:
        found = self.publisher.find_shard(entry.shard)
        if found is None:
            found = ReplayedShard(entry.shard, entry.labels, entry.interval)
            self.publisher.add_shard(found)
        assert isinstance(found, ReplayedShard)
        found.labels, found.interval = dict(entry.labels), entry.interval
        found.set_state(entry.state, entry.reason, "", entry.since)
        if entry.info is not None and entry.revision != found.revision:
            at = time.monotonic() - entry.age
            found.set_snapshot(ReplayedSnapshot(entry.info, entry.revision, entry.time, at))

    def _apply_labels(self, labels: LabelUpdate) -> None:
        for entry in labels.entries:
            found = self.publisher.find_shard(entry.shard)
            if isinstance(found, ReplayedShard):
                found.labels, found.interval = dict(entry.labels), entry.interval

    # --- polls

    def _apply_delta(self, delta: Delta) -> None:
        shard = self.publisher.find_shard(delta.shard)
        if not isinstance(shard, ReplayedShard) or delta.revision <= shard.revision:
            return
        previous = shard.snapshot if delta.base else None
        if delta.base and delta.base != shard.revision:
            raise RecordingError(
                f"shard {delta.shard}: revision {delta.revision} is recorded against {delta.base}, "
                f"but the shard has {shard.revision}"
            )
        fields = delta.applied_to(previous.info.fields if previous else {})
        snapshot = ReplayedSnapshot(fields, delta.revision, delta.time, time.monotonic(), delta)
        if previous is not None and snapshot.time > previous.time:
            shard.interval = snapshot.time - previous.time
        shard.set_snapshot(snapshot)
        self.revisions += 1
        for callback in self._callbacks:
            callback(shard, previous, snapshot)

    # --- events

    def _apply_event(self, event: Event) -> None:
        if event.seq > self.events.seq(event.shard):
            self._follow(event)
        number = event.number if self._is_complete else self.events.newest + 1
        self.events.append(replace(event, number=number))

    def _follow(self, event: Event) -> None:
        """Change the shard as the event says."""
        shard = self.publisher.find_shard(event.shard)
        if event.type == ADDED:
            if shard is None:
                added = ReplayedShard(event.shard, event.labels, 0.0, event.time)
                self.publisher.add_shard(added)
        elif not isinstance(shard, ReplayedShard):
            return  # an event of the daemon, or of a shard removed before the snapshot
        elif event.type == REMOVED:
            self.publisher.del_shard(event.shard)
        elif event.type == LABELS_CHANGED:
            shard.labels = dict(shard.labels if event.labels is None else event.labels)
        elif event.type in STATES:
            new = event.new or event.type
            since = shard.since if new == shard.state.value else event.time
            shard.set_state(new, event.reason, event.message, since)
