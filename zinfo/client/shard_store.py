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

from collections.abc import Iterator
from dataclasses import replace

from zinfo.client.batches import ReadDelta, shards
from zinfo.client.inferred_events import inferred_events, inferred_labels
from zinfo.client.packed_info import decode_info
from zinfo.client.record import Record, apply_event
from zinfo.client.snapshot_page import PackedEntry
from zinfo.client.stored_info import MAX_DELTA_BYTES, PackedDelta
from zinfo.client.stored_shards import StoredShards
from zinfo.client.updates import Change, make_delta
from zinfo.errors import ProtocolError
from zinfo.native.loader import native
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, Event


class ShardStore(StoredShards):
    """Applies deltas, events and snapshots to the shards of a Mirror; arguments as there."""

    # --- from the bus

    def apply_batch(
        self, batch: bytes, epoch: int, offset: float, now: float, changes: list[Change]
    ) -> tuple[int, int] | None:
        """Do the same as `apply_plain` with the body of a batch, natively.

        Args:
            batch: the body.
            epoch: in its header.
            offset: local clock minus the daemon's wall clock, in seconds.
            now: local clock.
            changes: what changed is added, for listeners.

        Returns:
            The number of deltas applied, and of those left: the first of these is not plain. None
            where Python has to read the batch.
        """
        names = () if self.reporter is None else self.reporter.names
        if native is None or names is None or not self.revisions.is_sure:
            return None
        found: list[ReadDelta] = []
        counts = native.apply_deltas(
            batch,
            epoch,
            shards,
            self.records,
            self.revisions.last,
            self._suspect_infos,
            offset,
            now,
            MAX_DELTA_BYTES,
            names,
            found,
        )
        if counts is not None:
            self.revisions.counted += counts[0]
        for shard, revision, base, time, fields in found:
            try:
                if self.records[shard].revision:  # it was not dropped because of an earlier delta
                    changed = decode_info(fields)
                    changes.append(make_delta(shard, revision, base, time, changed, ()))
            except ProtocolError:
                self.records[shard].clear()
                self.on_malformed(shard)
        return counts

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
            elif not apply_event(record, event):
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
                changes += inferred_events(entry, former)
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

    def _take_info(self, entry: PackedEntry, record: Record, now: float) -> list[Change]:
        if entry.info is None or entry.revision <= record.revision:
            return []
        changes: list[Change] = []
        if self.reporter is not None:
            changes += self.reporter.inferred(entry, entry.info, record)
        record.replace(entry.info, entry.revision, entry.time, now - entry.age)
        return changes
