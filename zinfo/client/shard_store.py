"""A Mirror's copy of the shards, and which of them may be wrong. Pure.

A shard's INFO is only ever replaced by a snapshot, or changed by a delta whose base is exactly what
is
held: so within an epoch it is always what the daemon had at that revision. What may be wrong is
    that it is not the newest. A shard is *doubtful* from the first sign of a lost message until a
    snapshot (or, for its INFO, a delta that fits) shows that nothing newer was missed.
"""

from __future__ import annotations

from typing import TypeAlias

from zinfo.client.decoding import Entry
from zinfo.client.gap_detection import RevisionTally
from zinfo.client.inferred_events import inferred_delta, inferred_event, inferred_labels
from zinfo.client.pending_updates import Kept
from zinfo.client.updates import Delta, Info
from zinfo.wire.lifecycle import ADDED, LABELS_CHANGED, REMOVED, STATES, Event

Change: TypeAlias = "Delta | Event"


class Record:
    """What is held of one shard.

    Attributes:
        revision: of `info`; 0 where there is none.
        polled_at: local clock when the daemon polled it, as near as can be told.
        seq: count of the newest event that `state`, `reason` and `labels` reflect.
        number: number of the newest event received about the shard; 0 before the first.
        heard_at: local clock when it was last heard of.
        foreign: it is from another epoch; no number in it can be compared.
    """

    __slots__ = (
        "foreign",
        "heard_at",
        "info",
        "interval",
        "labels",
        "number",
        "polled_at",
        "reason",
        "revision",
        "seq",
        "state",
        "time",
    )

    def __init__(self, state: str, seq: int, now: float) -> None:
        self.info: Info | None = None
        self.revision = 0
        self.time = 0.0
        self.polled_at = float("-inf")
        self.state = state
        self.reason = ""
        self.labels: dict[str, str] = {}
        self.interval = 0.0
        self.seq = seq
        self.number = 0
        self.heard_at = now
        self.foreign = False


class Copies:
    """The shards that a Mirror holds.

    Args:
        tells: whether anybody listens to what a snapshot changed.
        max_kept_bytes: of deltas and events that wait for a snapshot; over it, they are let go.

    Attributes:
        records: by shard id.
        wire: counts the deltas that came, of all shards.
        kept: what waits for a snapshot.
        snapshot_under_way: whether a snapshot was asked for and is not complete.
    """

    def __init__(self, *, tells: bool = True, max_kept_bytes: int = 64 << 20) -> None:
        self.records: dict[str, Record] = {}
        self.wire = RevisionTally()
        self.kept = Kept(max_kept_bytes)
        self.snapshot_under_way = False
        self.tells = tells
        self._doubtful_infos: set[str] = set()
        self._doubtful_states: set[str] = set()
        self._event_seqs: dict[str, int] = {}  # newest event seen of each shard
        self._removed: dict[str, int] = {}  # seq of the event that removed a shard

    # --- doubt

    def doubtful(self, shard: str) -> bool:
        """Return whether what is held of a shard may be wrong."""
        return shard in self._doubtful_infos or shard in self._doubtful_states

    def any_doubtful(self) -> bool:
        """Return whether any shard is doubtful."""
        return bool(self._doubtful_infos or self._doubtful_states)

    def all_doubtful(self) -> set[str]:
        """Return the ids of all doubtful shards; some may not be held at all."""
        return self._doubtful_infos | self._doubtful_states

    def doubt(self, shard: str) -> None:
        """Something about this shard was lost."""
        self._doubtful_infos.add(shard)
        self._doubtful_states.add(shard)

    def doubt_infos(self) -> None:
        """Deltas were lost, nobody knows of which shards."""
        self._doubtful_infos.update(self.records)

    def doubt_states(self) -> None:
        """Events were lost, nobody knows of which shards."""
        self._doubtful_states.update(self.records)

    def rejoin(self, *, same_epoch: bool) -> None:
        """The bus was joined (again): forget what was counted, doubt everything held."""
        self.wire = RevisionTally()
        self.kept.clear()
        self.snapshot_under_way = False
        self._event_seqs.clear()
        self._removed.clear()
        if not same_epoch:
            for record in self.records.values():
                record.foreign, record.number = True, 0
        self._doubtful_infos = set(self.records)
        self._doubtful_states = set(self.records)

    # --- from the bus

    def delta(self, delta: Delta, size: int, polled_at: float) -> list[Change]:
        """Take a delta that `wire` has counted.

        Args:
            delta: the change.
            size: its bytes on the wire.
            polled_at: local clock when the daemon polled the shard.

        Returns:
            What changed.
        """
        shard, record = delta.shard, self.records.get(delta.shard)
        if record is not None and not record.foreign:
            record.heard_at = polled_at
            if delta.revision <= record.revision:
                return []
            if delta.base in (0, record.revision):
                _apply(record, delta, polled_at)
                newest = delta.revision >= self.wire.last.get(shard, 0)
                return [delta, *self._settle_info(shard, record, proves=newest)]
        self._doubtful_infos.add(shard)
        self.kept.delta(delta, size, polled_at)
        return []

    def event(self, event: Event, now: float) -> None:
        """Take an event."""
        shard, record = event.shard, self.records.get(event.shard)
        self._event_seqs[shard] = max(event.seq, self._event_seqs.get(shard, 0))
        if event.type == REMOVED:
            self.wire.forget(shard)
            if self.snapshot_under_way:
                self._removed[shard] = event.seq
            if record is None or record.foreign or event.seq > record.seq:
                self._drop(shard)
        elif record is None and event.type == ADDED:
            self._add(event, now)
        elif record is None or record.foreign:
            if record is not None:
                record.number = event.number
            self._doubtful_states.add(shard)
            self.kept.event(event)
        elif event.seq > record.seq:
            if event.type == ADDED:  # it was removed, and we were not told
                self._add(event, now)
            elif not _entered(record, event):
                self._doubtful_states.add(shard)

    def _add(self, event: Event, now: float) -> None:
        record = Record(event.new or "new", event.seq, now)
        record.number = event.number
        record.labels = dict(event.labels or {})
        self.records[event.shard] = record
        self.doubt(event.shard)  # the event does not tell the interval; a snapshot will

    # --- from snapshots

    def entry(self, entry: Entry, now: float, *, proves: bool = True) -> list[Change]:
        """Take one shard of a snapshot.

        Args:
            entry: the shard.
            now: local clock.
            proves: whether it was asked for after the last sign of a loss, so that doubt may end.

        Returns:
            What changed, as if it had come on the bus.
        """
        shard, record = entry.shard, self.records.get(entry.shard)
        if self._removed.get(shard, -1) > entry.seq:
            return []  # taken before the shard was removed
        former = None if record is None else (record.state, record.reason)
        labels = {} if record is None else record.labels
        number = 0 if record is None else record.number
        if record is not None and entry.info is None and entry.seq > record.seq:
            record = former = None  # it was removed and has come back, and was not polled since
        if record is None or record.foreign:
            record = self.records[shard] = Record(entry.state, entry.seq, now)
            record.number = number
        newest = entry.seq >= record.seq
        changes: list[Change] = []
        if newest:
            if self.tells:
                changes += inferred_event(entry, former)
                changes += inferred_labels(entry, labels) if former else []
            record.state, record.reason, record.seq = entry.state, entry.reason, entry.seq
            record.labels = entry.labels
        record.interval, record.heard_at = entry.interval, now
        changes += self._take_info(entry, record, now)
        self._settle_state(shard, record, proves=proves and newest)
        return changes + self._settle_info(shard, record, proves=proves)

    def absent(self, shard: str, number: int, wall_time: float) -> list[Change]:
        """A snapshot does not have a shard.

        Args:
            shard: its id.
            number: of the newest event when the snapshot was begun.
            wall_time: for the event that is inferred, seconds since the Unix epoch.

        Returns:
            What changed, as if it had come on the bus.
        """
        record = self.records.get(shard)
        if record is not None and record.number > number:
            self.doubt(shard)  # something happened to it since; ask again
            return []
        self._drop(shard)
        self.wire.forget(shard)
        if record is None or not self.tells:
            return []
        return [Event(shard, REMOVED, record.state, None, "", "", 0, record.seq, wall_time)]

    def snapshot_done(self) -> None:
        """No snapshot is under way any more: none can bring back a shard that was removed."""
        self.snapshot_under_way = False
        self._removed.clear()

    # --- settling

    def _take_info(self, entry: Entry, record: Record, now: float) -> list[Change]:
        if entry.info is None or entry.revision <= record.revision:
            return []
        changes: list[Change] = []
        if self.tells:
            changes.append(inferred_delta(entry, entry.info, record.info, record.revision))
        record.info, record.revision, record.time = entry.info, entry.revision, entry.time
        record.polled_at = now - entry.age
        return changes

    def _settle_state(self, shard: str, record: Record, *, proves: bool) -> None:
        for event in self.kept.take_events(shard):
            if event.seq > record.seq and not _entered(record, event):
                proves = False
        if proves and record.seq >= self._event_seqs.get(shard, 0):
            self._doubtful_states.discard(shard)

    def _settle_info(self, shard: str, record: Record, *, proves: bool) -> list[Change]:
        """Apply the deltas that were kept and fit now; end the doubt if nothing newer was seen."""
        changes: list[Change] = []
        for kept in self.kept.take_deltas(shard):
            # One that does not fit is behind a second gap: the next snapshot will be newer than it.
            if kept.delta.revision > record.revision and kept.delta.base in (0, record.revision):
                _apply(record, kept.delta, kept.polled_at)
                changes.append(kept.delta)
        if record.revision < self.wire.last.get(shard, 0):
            self._doubtful_infos.add(shard)
        elif proves:
            self._doubtful_infos.discard(shard)
        return changes

    def _drop(self, shard: str) -> None:
        self.records.pop(shard, None)
        self._doubtful_infos.discard(shard)
        self._doubtful_states.discard(shard)
        self._event_seqs.pop(shard, None)
        self.kept.forget(shard)


def _apply(record: Record, delta: Delta, polled_at: float) -> None:
    record.info = delta.applied_to(record.info or {})
    record.revision, record.time, record.polled_at = delta.revision, delta.time, polled_at


def _entered(record: Record, event: Event) -> bool:
    """Take a newer event into the record; returns False where others are missing before it."""
    follows = event.seq == record.seq + 1
    record.seq, record.number = event.seq, event.number
    if event.type in STATES:
        record.state, record.reason = event.new or event.type, event.reason
    elif event.type == LABELS_CHANGED:
        if event.labels is None:
            return False  # the event does not hold them; a snapshot will
        record.labels = dict(event.labels)
    return follows
