"""Stage: the cache of a replay. What was recorded changes its shards, as polls change a daemon's.

It is to the bus and to queries what an `InfoPoller` is; but nothing here is ever polled.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

from zinfo.client.decoding import Entry
from zinfo.client.updates import Delta, Info
from zinfo.errors import BadRequestError, RecordingError
from zinfo.info.encoder import Fields, pack_pairs
from zinfo.info.parser import Info as ParsedInfo
from zinfo.info.parser import Layout
from zinfo.query.servicer import InfoProviderServicer, InfoQuery, LookupResult
from zinfo.recording.reader import Described, Recorded, Span
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot, server_version
from zinfo.shards.source import SnapshotCallback
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, STATES, Event


class ReplayedSnapshot(Snapshot):
    """An INFO that was recorded: fields without the text that they were read from.

    Args:
        fields: field to value.
        revision: as it was recorded.
        time: likewise, wall clock of its arrival at the daemon, seconds since the Unix epoch.
        at: monotonic clock from which its age counts.
        delta: what changed, as it was recorded.
    """

    __slots__ = ("_delta",)

    def __init__(
        self, fields: Info, revision: int, time: float, at: float, delta: Delta | None = None
    ) -> None:
        super().__init__(b"", revision, time, at)
        self._parsed = ParsedInfo(b"", fields, {}, Layout.of(()))
        self._delta = delta

    def delta_from(self, previous: Snapshot | None) -> tuple[Fields, list[str]]:
        """Return what was recorded as the change."""
        if self._delta is None:
            return super().delta_from(previous)
        return pack_pairs(self._delta.set), list(self._delta.unset)


class ReplayedShard(RedisShard):
    """A shard that nobody polls.

    Args:
        ident: its id.
        labels: its labels, as far as they are known.
        interval: seconds between two polls when it was recorded.
    """

    def __init__(self, ident: str, labels: Mapping[str, str] | None, interval: float) -> None:
        super().__init__(ident, None, labels)
        self.interval = interval

    def polling_interval(self) -> float:
        """Return the seconds that were between the last two polls."""
        return self.interval

    def show(self, snapshot: Snapshot) -> None:
        """Make a snapshot the newest INFO."""
        self.store(snapshot, math.nan)
        self.role = snapshot.text(b"role")
        self.run_id = snapshot.text(b"run_id")
        self.version = server_version(snapshot)

    def enter(self, state: str, reason: str, message: str) -> None:
        """Take a state; one that a later zinfo may know is "new" here."""
        known = state in ShardState._value2member_map_
        self.state = ShardState(state) if known else ShardState.NEW
        self.reason, self.last_error = reason, message
        self.failures = int(self.state not in (ShardState.UP, ShardState.NEW))


class ReplayedServicer(InfoProviderServicer):
    """Answers from what was recorded, in which fields have no sections."""

    def select(self, shard_id: str, query: InfoQuery, now: float) -> LookupResult | None:
        """Return what a query gets of one shard; None where the query leaves it out.

        Raises:
            BadRequestError: it asks for sections.
            KeyError: as for any daemon.
        """
        if query.sections:
            raise BadRequestError("this is a replay: a recording has no sections, ask for fields")
        return super().select(shard_id, query, now)


class Stage:
    """The shards and events of one start of the recorded daemon.

    Attributes:
        publisher: the live shards.
        events: what happened to them, numbered as it was recorded.
        revisions: successful polls so far, as the daemon counted them.
    """

    def __init__(self) -> None:
        self.publisher = ShardPublisher()
        self.events = EventLog()
        self.revisions = 0
        self._callbacks: list[SnapshotCallback] = []
        self._is_whole = True  # events and totals are all there, so that they stand as recorded

    def subscribe_snapshots(self, callback: SnapshotCallback) -> None:
        """Call `callback(shard, previous, snapshot)` at every snapshot; it must not wait."""
        self._callbacks.append(callback)

    def refresh(self, shard_id: str, floor: float) -> None:
        """Poll nothing: there is no shard to ask."""

    def take(self, update: Recorded) -> None:
        """Do what a recorded update tells.

        Raises:
            RecordingError: it does not follow from what came before.
        """
        if isinstance(update, Delta):
            self._change(update)
        elif isinstance(update, Event):
            self._happen(update)
        elif isinstance(update, Span):
            self._enter(update)
        elif isinstance(update, Described):
            self._describe(update)

    # --- spans

    def _enter(self, span: Span) -> None:
        """Show all shards as they are at the beginning of a span.

        Whoever follows must notice that something is missing before it: by the daemon's own totals
        where they were recorded, else by totals that leave one out.
        """
        entries = {entry.shard: entry for entry in span.entries}
        for shard_id in self.publisher.get_live_shard_ids().difference(entries):
            self.publisher.del_shard(shard_id)
        for entry in entries.values():
            self._enter_shard(entry)
        self._is_whole = span.whole
        seqs = {entry.shard: entry.seq for entry in span.entries}
        if span.whole:
            self.revisions = span.revisions
            self.events.continue_from(span.events, seqs)
        else:
            self.revisions += 1
            self.events.continue_from(self.events.newest + 1, seqs)

    def _enter_shard(self, entry: Entry) -> None:
        found = self.publisher.find_shard(entry.shard)
        if found is None:
            found = ReplayedShard(entry.shard, entry.labels, entry.interval)
            self.publisher.add_shard(found)
        assert isinstance(found, ReplayedShard)
        found.labels, found.interval = dict(entry.labels), entry.interval
        found.enter(entry.state, entry.reason, "")
        if entry.info is not None and entry.revision != found.revision:
            at = time.monotonic() - entry.age
            found.show(ReplayedSnapshot(entry.info, entry.revision, entry.time, at))

    def _describe(self, described: Described) -> None:
        for entry in described.entries:
            found = self.publisher.find_shard(entry.shard)
            if isinstance(found, ReplayedShard):
                found.labels, found.interval = dict(entry.labels), entry.interval

    # --- polls

    def _change(self, delta: Delta) -> None:
        shard = self.publisher.find_shard(delta.shard)
        if not isinstance(shard, ReplayedShard) or delta.revision <= shard.revision:
            return
        previous = shard.snapshot if delta.base else None
        if delta.base and delta.base != shard.revision:
            raise RecordingError(
                f"shard {delta.shard}: revision {delta.revision} is recorded against {delta.base}, "
                f"but {shard.revision} is there"
            )
        fields = delta.applied_to(previous.info.fields if previous else {})
        snapshot = ReplayedSnapshot(fields, delta.revision, delta.time, time.monotonic(), delta)
        if previous is not None and snapshot.time > previous.time:
            shard.interval = snapshot.time - previous.time
        shard.show(snapshot)
        self.revisions += 1
        for callback in self._callbacks:
            callback(shard, previous, snapshot)

    # --- events

    def _happen(self, event: Event) -> None:
        if event.seq > self.events.seq(event.shard):
            self._follow(event)
        number = event.number if self._is_whole else self.events.newest + 1
        self.events.append(replace(event, number=number))

    def _follow(self, event: Event) -> None:
        """Do to the shard what the event tells."""
        shard = self.publisher.find_shard(event.shard)
        if event.type == ADDED:
            if shard is None:
                self.publisher.add_shard(ReplayedShard(event.shard, event.labels, 0.0))
        elif not isinstance(shard, ReplayedShard):
            return  # of the daemon itself; or of a shard that was gone before the snapshot
        elif event.type == REMOVED:
            self.publisher.del_shard(event.shard)
        elif event.type == LABELS_CHANGED:
            shard.labels = dict(shard.labels if event.labels is None else event.labels)
        elif event.type in STATES:
            shard.enter(event.new or event.type, event.reason, event.message)
