"""The shards that a Mirror holds, and which parts of them may be out of date. Pure.

`zinfo.client.shard_store` says when a shard is suspect, and when it no longer is.
"""

from __future__ import annotations

from collections.abc import Mapping

from zinfo.client.gap_detection import RevisionGapDetector
from zinfo.client.packed_info import FieldReader
from zinfo.client.pending_updates import PendingUpdates
from zinfo.client.record import Record, apply_event
from zinfo.client.reported_deltas import DeltaReporter
from zinfo.client.snapshot_page import PackedEntry
from zinfo.client.updates import Change, Info
from zinfo.errors import ProtocolError
from zinfo.wire.lifecycle import REMOVED, Event


class StoredShards:
    """The shards that a Mirror holds, which of them are suspect, and what is pending for them.

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

    def on_malformed(self, shard: str) -> None:
        """What was received about this shard is malformed."""
        self.malformed += 1
        self.mark_suspect(shard)

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

    # --- selection by labels

    def follows(self, shard: str) -> bool:
        """Return whether deltas of a shard are needed: it is stored, or may have to be."""
        return not self._labels or shard in self.records or shard in self._suspect_states

    def _matches(self, labels: Mapping[str, str]) -> bool:
        return self._labels.items() <= labels.items()

    def _leave(self, cause: Event | PackedEntry, record: Record | None) -> list[Change]:
        """Drop a shard because of its labels; return the event that a listener gets for that."""
        shard = cause.shard
        self._drop(shard)
        if record is None or not self.reporter:
            return []
        return [Event(shard, REMOVED, record.state, None, "", "", 0, cause.seq, cause.time)]

    # --- pending updates

    def _settle_state(self, shard: str, record: Record, *, clears: bool) -> None:
        """Apply pending events; clear the state where no event is missing."""
        for event in self.pending.take_events(shard):
            if event.seq > record.seq and not apply_event(record, event):
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

    def _drop(self, shard: str) -> None:
        self.records.pop(shard, None)
        self._suspect_infos.discard(shard)
        self._suspect_states.discard(shard)
        self._event_seqs.pop(shard, None)
        self._undecided.pop(shard, None)
        self.pending.forget(shard)
