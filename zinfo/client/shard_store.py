"""A Mirror's copy of the shards, and which parts of it may be out of date. Pure.

INFO is replaced by a snapshot, or changed by a delta whose base is exactly the revision held. So
within an epoch a stored INFO is always what the daemon had at that revision; the only thing that
can be wrong is that it is not the newest one.

From the first sign of a lost message a shard is *suspect*: its INFO, its state and labels, or both.
It is cleared by a snapshot that was requested after the sign, and, for INFO, by a delta whose base
is the revision held, provided that no newer revision has been seen. Deltas and events that do not
follow from what is held are pending until the snapshot arrives.

With `labels`, only shards that have them are stored. The labels in an event decide at once. Where
an event has none, because they are too large, the shard is suspect until a snapshot has decided.
Nothing is stored of other shards but the numbers of their newest messages, so that an older page
of a snapshot is noticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from zinfo.client.batches import ReadDelta
from zinfo.client.gap_detection import RevisionGapDetector
from zinfo.client.inferred_events import inferred_event, inferred_labels
from zinfo.client.packed_info import FieldReader
from zinfo.client.pending_updates import PendingUpdates
from zinfo.client.reported_deltas import DeltaReporter
from zinfo.client.snapshot_page import PackedEntry
from zinfo.client.stored_info import PackedDelta, StoredInfo
from zinfo.client.updates import Delta, Info
from zinfo.errors import ProtocolError
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, STATES, Event

Change: TypeAlias = "Delta | Event"


class Record(StoredInfo):
    """One shard as it is stored: its INFO, and what else is known of it.

    Attributes:
        state: new, up, loading, busy or down.
        reason: why it is down.
        labels: its labels.
        interval: seconds between polls; 0 where unknown.
        seq: count of the newest event that `state`, `reason` and `labels` reflect.
        number: number of the newest event received about the shard; 0 before the first.
        last_seen_at: local clock when something about the shard last arrived.
        foreign: it is from another epoch, so that its revision and counts cannot be compared.
    """

    __slots__ = (
        "foreign",
        "interval",
        "labels",
        "last_seen_at",
        "number",
        "reason",
        "seq",
        "state",
    )

    def __init__(self, state: str, seq: int, now: float) -> None:
        super().__init__()
        self.state = state
        self.reason = ""
        self.labels: dict[str, str] = {}
        self.interval = 0.0
        self.seq = seq
        self.number = 0
        self.last_seen_at = now
        self.foreign = False


class ShardStore:
    """The shards that a Mirror holds.

    Args:
        labels: those that a stored shard has; empty for any.
        reporter: makes the deltas for listeners; None where there are no listeners.
        max_pending_bytes: of deltas and events that wait for a snapshot; above it they are dropped.

    Attributes:
        records: by shard id.
        revisions: counts the deltas received, of all shards.
        pending: deltas and events that wait for a snapshot.
        reporter: makes the deltas for listeners; may be replaced.
        snapshot_in_progress: whether a snapshot was requested and is not complete.
        malformed: number of messages that could not be decoded, when they came or later.
    """

    def __init__(
        self,
        *,
        labels: Mapping[str, str] | None = None,
        reporter: DeltaReporter | None = None,
        max_pending_bytes: int = 64 << 20,
    ) -> None:
        self.records: dict[str, Record] = {}
        self.revisions = RevisionGapDetector()
        self.pending = PendingUpdates(max_pending_bytes)
        self.snapshot_in_progress = False
        self.reporter = reporter
        self.malformed = 0
        self._labels = dict(labels or {})
        self._suspect_infos: set[str] = set()
        self._suspect_states: set[str] = set()
        self._event_seqs: dict[str, int] = {}  # newest event seen of each shard
        self._removed: dict[str, int] = {}  # seq of the event that removed a shard
        self._undecided: dict[str, int] = {}  # number of an event that lacks the labels of a shard

    # --- suspects

    def is_suspect(self, shard: str) -> bool:
        """Return whether a message about a shard may have been lost."""
        return shard in self._suspect_infos or shard in self._suspect_states

    def any_suspect(self) -> bool:
        """Return whether any shard is suspect."""
        return bool(self._suspect_infos or self._suspect_states)

    def all_suspect(self) -> set[str]:
        """Return the ids of all suspect shards, including some that are not stored."""
        return self._suspect_infos | self._suspect_states

    def mark_suspect(self, shard: str) -> None:
        """A message about this shard was lost."""
        self._suspect_infos.add(shard)
        self._suspect_states.add(shard)

    def mark_infos_suspect(self) -> None:
        """Deltas of unknown shards were lost."""
        self._suspect_infos.update(self.records)

    def mark_states_suspect(self) -> None:
        """Events of unknown shards were lost."""
        self._suspect_states.update(self.records)

    def rejoin(self, *, same_epoch: bool) -> None:
        """The bus was joined (again): restart all counts, and suspect everything stored."""
        self.revisions = RevisionGapDetector()
        self.pending.clear()
        self.snapshot_in_progress = False
        self._event_seqs.clear()
        self._removed.clear()
        self._undecided.clear()
        if not same_epoch:
            for record in self.records.values():
                record.foreign, record.number = True, 0
        self._suspect_infos = set(self.records)
        self._suspect_states = set(self.records)

    def follows(self, shard: str) -> bool:
        """Return whether deltas of a shard are needed: it is stored, or may have to be."""
        return not self._labels or shard in self.records or shard in self._suspect_states

    # --- reading

    def info(self, shard: str) -> Info | None:
        """Return the INFO of a shard; None where there is none, or what is stored is malformed.

        Raises:
            KeyError: no such shard is stored.
        """
        record = self.records[shard]
        try:
            return record.info()
        except ProtocolError:
            self.on_malformed(shard)
            return None

    def fields(self, shard: str, reader: FieldReader) -> Info:
        """Return some fields of a shard that are present; raises KeyError as `info` does."""
        record = self.records[shard]
        try:
            return record.fields(reader)
        except ProtocolError:
            self.on_malformed(shard)
            return {}

    # --- from the bus

    def apply_plain(
        self, deltas: Iterator[ReadDelta], offset: float, now: float, changes: list[Change]
    ) -> ReadDelta | None:
        """Count and store deltas up to the first that needs more than that.

        Most deltas do not: the shard is stored, nothing about it is missing, and the delta is the
        next one. This is what a Mirror does most of the time, so it makes few calls.

        Args:
            deltas: what is read from it is stored, but for the delta that is returned.
            offset: local clock minus the daemon's wall clock, in seconds.
            now: local clock.
            changes: what changed is added, for listeners.

        Returns:
            The first delta that is not plain; None if all are.
        """
        records, suspects, reporter = self.records, self._suspect_infos, self.reporter
        revisions = self.revisions
        last, is_sure = revisions.last, revisions.is_sure
        for delta in deltas:
            shard, revision, base, time, body = delta
            record = records.get(shard)
            if not (
                record is not None
                and record.revision == base == revision - 1
                and last.get(shard) == base
                and is_sure
                and not record.foreign
                and shard not in suspects
            ):
                return delta
            last[shard] = revision
            revisions.counted += 1
            polled_at = time + offset
            if polled_at > now:  # noqa: PLR1730 - a call for each delta
                polled_at = now
            record.last_seen_at = polled_at
            try:
                record.add(revision, base, time, polled_at, body)
                if reporter is not None:
                    changes += reporter.of_delta(shard, revision, base, time, body)
            except ProtocolError:
                record.clear()
                self.on_malformed(shard)
        return None

    def apply_delta(
        self, shard: str, revision: int, base: int, time: float, polled_at: float, body: bytes
    ) -> list[Change] | None:
        """Store a delta that `revisions` has counted, or hold it back.

        The arguments are those of `PackedDelta`.

        Returns:
            What changed, for listeners. None where the delta does not follow from what is stored,
            and no loss of the shard's messages was known before.
        """
        record = self.records.get(shard)
        if record is not None and not record.foreign:
            record.last_seen_at = polled_at
            stored = record.revision
            if base == stored or (not base and revision > stored):
                changes = self._add_delta(shard, record, revision, base, time, polled_at, body)
                if shard in self._suspect_infos:
                    newest = revision >= self.revisions.last.get(shard, 0)
                    changes += self._settle_info(shard, record, clears=newest)
                return changes
            if revision <= stored:
                return []
        known = self.is_suspect(shard)
        self._suspect_infos.add(shard)
        self.pending.add_delta(shard, PackedDelta(revision, base, time, polled_at, body))
        return [] if known else None

    def _add_delta(
        self,
        shard: str,
        record: Record,
        revision: int,
        base: int,
        time: float,
        polled_at: float,
        body: bytes,
    ) -> list[Change]:
        """Store a delta that follows; return it for listeners."""
        try:
            record.add(revision, base, time, polled_at, body)
            if self.reporter is None:
                return []
            return [*self.reporter.of_delta(shard, revision, base, time, body)]
        except ProtocolError:
            record.clear()
            self.on_malformed(shard)
            return []

    def on_malformed(self, shard: str) -> None:
        """What was received about this shard is malformed."""
        self.malformed += 1
        self.mark_suspect(shard)

    def apply_event(self, event: Event, now: float) -> list[Change]:
        """Apply an event, or hold it back.

        Returns:
            What changed: the event, or another one if the shard came or went because of its labels.
        """
        shard, record = event.shard, self.records.get(event.shard)
        if not shard:
            return [event]  # about the daemon
        self._event_seqs[shard] = max(event.seq, self._event_seqs.get(shard, 0))
        if event.type == REMOVED:
            self.revisions.forget(shard)
            if self.snapshot_in_progress:
                self._removed[shard] = event.seq
            if record is None or record.foreign or event.seq > record.seq:
                self._drop(shard)
            return [event] if record is not None or not self._labels else []
        if self._labels and event.type in (ADDED, LABELS_CHANGED):
            return self._select(event, record, now)
        if record is None and self._labels:
            return []
        self._take_event(event, record, now)
        return [event]

    def _select(self, event: Event, record: Record | None, now: float) -> list[Change]:
        """Apply an event that changes labels: the shard may come or go."""
        shard, labels = event.shard, event.labels
        if record is not None and not record.foreign and event.seq <= record.seq:
            return []
        if labels is None and (record is None or event.type == ADDED):
            changes = self._leave(event, record)
            self._undecided[shard] = event.number
            self._suspect_states.add(shard)
            return changes
        if labels is None or self._matches(labels):
            if record is None:
                self._add(event, now)
                if event.type == ADDED:
                    return [event]
                return [replace(event, type=ADDED, new="new", message="", number=0)]
            self._take_event(event, record, now)
            return [event]
        if self.snapshot_in_progress:
            self._removed[shard] = event.seq  # an older page must not bring it back
        return self._leave(event, record)

    def _matches(self, labels: Mapping[str, str]) -> bool:
        return self._labels.items() <= labels.items()

    def _leave(self, cause: Event | PackedEntry, record: Record | None) -> list[Change]:
        """Drop a shard because of its labels; return the event that a listener gets for that."""
        shard = cause.shard
        self._drop(shard)
        if record is None or not self.reporter:
            return []
        return [Event(shard, REMOVED, record.state, None, "", "", 0, cause.seq, cause.time)]

    def _take_event(self, event: Event, record: Record | None, now: float) -> None:
        shard = event.shard
        if record is None and event.type == ADDED:
            self._add(event, now)
        elif record is None or record.foreign:
            if record is not None:
                record.number = event.number
            self._suspect_states.add(shard)
            self.pending.add_event(event)
        elif event.seq > record.seq:
            if event.type == ADDED:  # the event that removed it was lost
                self._add(event, now)
            elif not _apply_event(record, event):
                self._suspect_states.add(shard)

    def _add(self, event: Event, now: float) -> None:
        record = Record(event.new or "new", event.seq, now)
        record.number = event.number
        record.labels = dict(event.labels or {})
        self.records[event.shard] = record
        self.mark_suspect(event.shard)  # only a snapshot has the interval

    # --- from snapshots

    def apply_entry(self, entry: PackedEntry, now: float, *, clears: bool = True) -> list[Change]:
        """Store one shard of a snapshot.

        Args:
            entry: the shard.
            now: local clock.
            clears: whether it was requested after the last sign of a loss, so that the shard is no
                longer suspect.

        Returns:
            What changed, as if it had come on the bus.
        """
        shard, record = entry.shard, self.records.get(entry.shard)
        if self._removed.get(shard, -1) > entry.seq:
            return []  # the page was made before the shard was removed
        if not self._matches(entry.labels) and (record is None or entry.seq >= record.seq):
            return self._leave(entry, record)  # the daemon did not select by label
        former = None if record is None else (record.state, record.reason)
        labels = {} if record is None else record.labels
        number = 0 if record is None else record.number
        if record is not None and entry.info is None and entry.seq > record.seq:
            record = former = None  # it was removed and added again, and not polled since
        if record is None or record.foreign:
            record = self.records[shard] = Record(entry.state, entry.seq, now)
            record.number = number
        newest = entry.seq >= record.seq
        changes: list[Change] = []
        if newest:
            if self.reporter:
                changes += inferred_event(entry, former)
                changes += inferred_labels(entry, labels) if former else []
            record.state, record.reason, record.seq = entry.state, entry.reason, entry.seq
            record.labels = entry.labels
        record.interval, record.last_seen_at = entry.interval, now
        changes += self._take_info(entry, record, now)
        self._settle_state(shard, record, clears=clears and newest)
        return changes + self._settle_info(shard, record, clears=clears)

    def apply_absence(self, shard: str, number: int, wall_time: float) -> list[Change]:
        """Remove a shard that was requested and is not in the snapshot.

        Args:
            shard: its id.
            number: of the newest event when the snapshot was started.
            wall_time: for the event that is inferred, seconds since the Unix epoch.

        Returns:
            What changed, as if it had come on the bus.
        """
        record = self.records.get(shard)
        newest = self._undecided.get(shard, 0) if record is None else record.number
        if newest > number:
            self.mark_suspect(shard)  # the shard had an event since; request it again
            return []
        self._drop(shard)
        self.revisions.forget(shard)
        if record is None or not self.reporter:
            return []
        return [Event(shard, REMOVED, record.state, None, "", "", 0, record.seq, wall_time)]

    def on_snapshot_end(self) -> None:
        """No page is outstanding that could bring back a shard that was removed meanwhile."""
        self.snapshot_in_progress = False
        self._removed.clear()

    # --- pending updates

    def _take_info(self, entry: PackedEntry, record: Record, now: float) -> list[Change]:
        if entry.info is None or entry.revision <= record.revision:
            return []
        changes: list[Change] = []
        if self.reporter is not None:
            changes += self.reporter.inferred(entry, entry.info, record)
        record.replace(entry.info, entry.revision, entry.time, now - entry.age)
        return changes

    def _settle_state(self, shard: str, record: Record, *, clears: bool) -> None:
        """Apply pending events; clear the state where no event is missing."""
        for event in self.pending.take_events(shard):
            if event.seq > record.seq and not _apply_event(record, event):
                clears = False
        if record.seq < self._event_seqs.get(shard, 0):
            self._suspect_states.add(shard)
        elif clears:
            self._suspect_states.discard(shard)

    def _settle_info(self, shard: str, record: Record, *, clears: bool) -> list[Change]:
        """Apply the pending deltas that follow; clear the INFO where nothing newer was seen."""
        changes: list[Change] = []
        for delta in self.pending.take_deltas(shard):
            # One that does not follow is behind a second gap: the next snapshot will include it.
            if delta.revision > record.revision and delta.base in (0, record.revision):
                changes += self._add_delta(shard, record, *delta.values())
        if record.revision < self.revisions.last.get(shard, 0):
            self._suspect_infos.add(shard)
        elif clears:
            self._suspect_infos.discard(shard)
        return changes

    def _drop(self, shard: str) -> None:
        self.records.pop(shard, None)
        self._suspect_infos.discard(shard)
        self._suspect_states.discard(shard)
        self._event_seqs.pop(shard, None)
        self._undecided.pop(shard, None)
        self.pending.forget(shard)


def _apply_event(record: Record, event: Event) -> bool:
    """Apply a newer event to the record; return False where events before it are missing."""
    follows = event.seq == record.seq + 1
    record.seq, record.number = event.seq, event.number
    if event.type in STATES:
        record.state, record.reason = event.new or event.type, event.reason
    elif event.type == LABELS_CHANGED:
        if event.labels is None:
            return False  # too large for the event; a snapshot has them
        record.labels = dict(event.labels)
    return follows
