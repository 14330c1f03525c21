"""Handles what a Mirror receives from the bus: deltas, events, heartbeats and fences. Pure.

`zinfo.client.mirror_state` lists the signs of loss, and what each makes suspect.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Collection, Mapping

from zinfo.client.batches import (
    KINDS_OF_BATCHES,
    ReadDelta,
    read_batch,
    read_delta,
    refused_kinds,
)
from zinfo.client.bus_session import (
    BusSession,
    Phase,
    Timing,
    refused_topics_error,
)
from zinfo.client.decoding import (
    BusMessage,
    decode_event,
    decode_heartbeat,
    decode_refused_topics,
    parse_message,
)
from zinfo.client.gap_detection import NumberGapDetector
from zinfo.client.packed_info import FieldReader, reader_of
from zinfo.client.reported_deltas import DeltaReporter
from zinfo.client.resync import Resync
from zinfo.client.shard_store import ShardStore
from zinfo.client.topics import MAX_FIELDS, mirror_topics, subscribes_prefix
from zinfo.client.updates import Change, Heartbeat
from zinfo.errors import ProtocolError
from zinfo.wire.bus_messages import (
    KIND_DELTA,
    KIND_EVENT,
    KIND_FENCE,
    KIND_FIELDS,
    KIND_HEARTBEAT,
)
from zinfo.wire.codec import Message
from zinfo.wire.slices import BY_ID, SliceSpec


class MirrorBus:
    """A live copy of all or some shards of a daemon, as far as it comes from the bus.

    Args:
        endpoint: the daemon's query endpoint.
        shards: ids of the shards to mirror; None for all.
        labels: those that a mirrored shard has; None for any.
        fields: names of the mirrored fields; None for all.
        bus: the bus endpoint; None for the one in the reply to hello.
        timing: timeouts and delays.
        reports_changes: whether `changes` is wanted.
        rng: source of nonces and random delays.
        max_pending_bytes: bound of the updates that wait for a snapshot.

    Attributes:
        session: joins the bus; its `actions` are to be carried out.
        store: the shards.
        resync: the snapshots.
        changes: what changed, oldest first; the owner empties the list.
        epoch: of the daemon that was joined last; None before.
        problem: why the last snapshot was refused; "" where it was not.
        fields: names of the mirrored fields; None for all.
        gaps: number of signs of loss.
        event_gaps: number of those that are about events.
    """

    def __init__(
        self,
        endpoint: str,
        shards: Collection[str] | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        fields: Collection[str] | None = None,
        bus: str | None = None,
        timing: Timing | None = None,
        reports_changes: bool = True,
        rng: random.Random | None = None,
        max_pending_bytes: int = 64 << 20,
    ) -> None:
        self.scope = None if shards is None else frozenset(shards)
        self.labels = dict(labels or {})
        self.fields = None if fields is None else frozenset(fields)
        self._reader: FieldReader | None = None if self.fields is None else reader_of(self.fields)
        self._refused: frozenset[str] = frozenset()  # kinds of topics, by the fence
        self._refused_by: int | None = None  # epoch of that daemon
        self.session = BusSession(self._topics, endpoint=endpoint, bus=bus, timing=timing, rng=rng)
        self.store = ShardStore(labels=self.labels, max_pending_bytes=max_pending_bytes)
        if reports_changes:
            self.report(None)
        self.resync = Resync(
            self.scope,
            self.session.next_id,
            self.session.timing,
            self.session.rng,
            self.labels,
        )
        self.changes: list[Change] = []
        self.epoch: int | None = None
        self.problem = ""
        self.gaps = 0
        self.event_gaps = 0
        self._events = NumberGapDetector()
        self._batches = NumberGapDetector()
        self._has_totals = False  # since the fence; before them a loss could not be noticed
        self._quiet_check_at = 0.0
        self._sources_check_at = math.inf
        self._owned: tuple[SliceSpec, frozenset[str]] | None = None  # ids of that slice

    @property
    def malformed(self) -> int:
        """Number of messages that could not be decoded."""
        return self.store.malformed

    @property
    def requesting(self) -> bool:
        """Whether a snapshot was requested and is not complete."""
        return self.store.snapshot_in_progress

    def report(self, names: Collection[str] | None) -> None:
        """Choose the fields whose changes are reported in `changes`; None for all."""
        self.store.reporter = DeltaReporter(names, skips_empty=self.fields is not None)

    def _topics(self, kinds: frozenset[str]) -> list[bytes]:
        if self.session.epoch != self._refused_by:
            self._refused = frozenset()
        return mirror_topics(self.scope, self.fields, kinds - self._refused)

    def _owned_scope(self) -> frozenset[str] | None:
        """Return the ids to request: a daemon refuses a request with an id that it does not have.

        A daemon with a slice has only a part of the ids that a Fleet mirrors.
        """
        polled = self.session.slice
        if self.scope is None or polled is None or polled.by != BY_ID:
            return self.scope
        if self._owned is None or self._owned[0] != polled:
            owned = frozenset(shard for shard in self.scope if polled.includes(shard, {}))
            self._owned = (polled, owned)
        return self._owned[1]

    @property
    def _totals_apply(self) -> bool:
        """Whether this client receives every delta that the daemon's totals count."""
        return subscribes_prefix(self.scope) and not self.session.partial

    def stale(self, now: float) -> bool:
        """Return whether anything held may be out of date."""
        return (
            not self.session.reliable(now) or not self.resync.complete or self.store.any_suspect()
        )

    def on_bus(self, frames: Message, now: float) -> None:
        """Handle a bus message."""
        self.session.tick(now)  # messages that were queued during a long silence are out of date
        try:
            message = parse_message(frames)
            if not self.session.accepts(message.header, now):
                return
            if message.kind == KIND_FENCE:
                self._on_fence(frames[0], message, now)
            elif not self.session.reliable(now):
                return  # before the fence; the snapshot will include it
            elif message.kind in KINDS_OF_BATCHES:
                self._on_batch(message, now)
            elif message.kind == KIND_DELTA:
                self._on_deltas([read_delta(frames[0], message)], now, self._reader)
            elif message.kind == KIND_EVENT:
                self._on_event(message, now)
            elif message.kind == KIND_HEARTBEAT:
                self._on_heartbeat(message, now)
        except ProtocolError:
            self.store.malformed += 1
        self._schedule(now)

    def _on_fence(self, topic: bytes, message: BusMessage, now: float) -> None:
        if not self.session.on_fence(topic, message.header, now):
            return
        self.store.rejoin(same_epoch=self.epoch == self.session.epoch)
        self.resync.scope = self._owned_scope()
        self.resync.rejoin(now, at_once=self.epoch is None)
        self.epoch = self.session.epoch
        offered = KIND_FIELDS in self.session.kinds and len(self.fields or ()) <= MAX_FIELDS
        self.resync.keys = tuple(sorted(self.fields or ())) if offered else ()
        self._events = NumberGapDetector()
        self._batches = NumberGapDetector()
        self._has_totals = False
        self.session.refused_topics = decode_refused_topics(message)
        if self.session.refused_topics:
            self._on_refusal(self.session.refused_topics, now)
        if message.body:  # with totals in the fence, there is no need to wait for a heartbeat
            with contextlib.suppress(ProtocolError):
                self._compare_totals(decode_heartbeat(message), now)

    def _on_refusal(self, topics: tuple[str, ...], now: float) -> None:
        """Take deltas one by one where the daemon refuses batches to this client."""
        self.problem = str(refused_topics_error(topics))
        refused = refused_kinds(topics)
        if refused and not refused <= self._refused:
            self._refused, self._refused_by = self._refused | refused, self.epoch
            self.session.reset(now, self.problem)

    # --- deltas

    def _on_batch(self, message: BusMessage, now: float) -> None:
        if self._batches.count(message.header.seq) > 0:
            self._on_deltas_lost()
        reader = None if message.kind == KIND_FIELDS else self._reader
        applied = 0
        try:
            if reader is None:
                counts = self._apply_batch(message, now)
                if counts is not None:
                    applied, left = counts
                    if not left:
                        return
            deltas, malformed = read_batch(message)
        except ProtocolError:
            self._on_deltas_lost()
            raise
        if malformed:
            self.store.malformed += malformed
            self._on_deltas_lost()
        self._on_deltas(deltas[applied:], now, reader)

    def _apply_batch(self, message: BusMessage, now: float) -> tuple[int, int] | None:
        """Apply the first deltas of a batch natively; as `ShardStore.apply_batch`."""
        epoch, offset = message.header.epoch, self.session.clock_offset
        with contextlib.suppress(ProtocolError):  # not the topic of a delta
            return self.store.apply_batch(message.body, epoch, offset, now, self.changes)
        return None

    def _on_deltas_lost(self) -> None:
        """Deltas of unknown shards are missing."""
        self.gaps += 1
        self.store.mark_infos_suspect()
        self.resync.invalidate()

    def _on_deltas(self, deltas: list[ReadDelta], now: float, reader: FieldReader | None) -> None:
        """Handle deltas; `reader` is that of the mirrored fields where they have others."""
        if reader is not None:
            for each in deltas:
                self._on_delta(each, now, reader)
            return
        offset, left = self.session.clock_offset, iter(deltas)
        while (delta := self.store.apply_plain(left, offset, now, self.changes)) is not None:
            self._on_delta(delta, now, None)

    def _on_delta(self, delta: ReadDelta, now: float, reader: FieldReader | None) -> None:
        shard, revision, base, time, body = delta
        self.store.revisions.count(shard, revision)
        if self.scope is not None and shard not in self.scope:
            return
        if not self.store.follows(shard):
            return
        if base < 0 or reader is not None:
            body = self._checked(shard, base, body, reader)
            if not body:
                return
        polled_at = min(now, time + self.session.clock_offset)
        changes = self.store.apply_delta(shard, revision, base, time, polled_at, body)
        if changes:
            self.changes += changes
        # Before the first snapshot has come, a delta without a base is not a sign of loss.
        elif changes is None and self.resync.complete:
            self.gaps += 1

    def _checked(self, shard: str, base: int, body: bytes, reader: FieldReader | None) -> bytes:
        """Return the body of a delta with the mirrored fields; empty if it is malformed."""
        with contextlib.suppress(ProtocolError):
            if base >= 0 and reader is not None:
                return reader.narrow_delta(body, base)
        self.gaps += 1
        self.store.on_malformed(shard)
        return b""

    # --- events and heartbeats

    def _on_event(self, message: BusMessage, now: float) -> None:
        event = decode_event(message)
        if self._events.count(event.number) > 0:
            self._on_event_gap()
        if self.scope is not None and event.shard not in self.scope:
            return
        self._report(self.store.apply_event(event, now))
        if not self._totals_apply and event.shard in self.store.records:
            self.resync.checks.add(event.shard)  # the delta before the event may be lost

    def _on_heartbeat(self, message: BusMessage, now: float) -> None:
        heartbeat = decode_heartbeat(message)
        if self.session.on_heartbeat(heartbeat, now):
            self._compare_totals(heartbeat, now)

    def _compare_totals(self, heartbeat: Heartbeat, now: float) -> None:
        """Compare the messages counted with the daemon's totals."""
        self._has_totals = True
        if self._totals_apply and self.store.revisions.compare(heartbeat.revisions):
            self._on_deltas_lost()
        if self._events.compare(heartbeat.events) > 0:
            self._on_event_gap()
        if self.stale(now):
            return
        self.resync.on_clean_heartbeat()
        same_moment = heartbeat.events == self._events.newest
        holds_all = self.scope is None and not self.labels and not self.session.partial
        if holds_all and same_moment and heartbeat.shards != len(self.store.records):
            self._on_event_gap()

    def _on_event_gap(self) -> None:
        self.gaps += 1
        self.event_gaps += 1
        self.store.mark_states_suspect()
        self.resync.invalidate(everything=True)

    # --- results

    def _schedule(self, now: float) -> None:
        """Choose when to send a snapshot request, where one is needed."""
        wanted = self.resync.everything or self.resync.checks or self.store.any_suspect()
        if wanted and self.session.phase is Phase.JOINED:
            self.resync.schedule(now)

    def _report(self, changes: list[Change]) -> None:
        if self.store.reporter is not None:
            self.changes += changes
