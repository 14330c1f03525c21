"""Turns bus messages into a Subscriber's updates, and reports every sign of a loss. Pure.

Joining the bus is `BusSession`'s. Each shard's revisions and event counts are checked as messages
arrive, which gives a `Gap` of that shard; the totals in fences and heartbeats are compared with the
number of messages counted, which gives a `Gap` of any shard. Where the totals count messages that
this client does not receive (some shards only, or hidden shards), a second fence, which means that
libzmq has reconnected, gives a `Gap` of each kind.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection

from zinfo.client.batches import ReadDelta, read_batch, read_delta, refused_kinds
from zinfo.client.bus_session import BusSession, Phase, Timing, refused_topics_error
from zinfo.client.decoding import (
    BusMessage,
    decode_event,
    decode_heartbeat,
    decode_refused_topics,
    decode_snapshot,
    parse_message,
)
from zinfo.client.gap_detection import NumberGapDetector, RevisionGapDetector
from zinfo.client.packed_info import decode_changes
from zinfo.client.topics import subscribes_prefix, topics_of
from zinfo.client.updates import (
    Delta,
    Gap,
    Heartbeat,
    Restart,
    Snapshot,
    Stale,
    Update,
    make_delta,
)
from zinfo.errors import NotAllowedError, ProtocolError
from zinfo.wire.bus_messages import (
    BATCH_TOPIC,
    KIND_BATCH,
    KIND_DELTA,
    KIND_EVENT,
    KIND_FENCE,
    KIND_HEARTBEAT,
    KIND_INFO,
    topic,
)
from zinfo.wire.codec import Message
from zinfo.wire.lifecycle import REMOVED
from zinfo.wire.query_messages import decode_reply

SHARD_KINDS = (KIND_INFO, KIND_DELTA, KIND_EVENT)


class SubscriberState:
    """The updates of some kinds, of all or some shards.

    Args:
        endpoint: the daemon's query endpoint; None where only `bus` is known.
        bus: the bus endpoint; None for the one in the reply to hello.
        shards: ids of the wanted shards; empty for all.
        kinds: any of "info", "delta", "event", "hb".
        takes_batches: whether to receive all deltas in batches where the daemon offers them.
        timing: timeouts and delays.
        rng: source of nonces and random delays.

    Attributes:
        session: joins the bus; its `actions` are to be carried out.
        updates: oldest first; the owner removes them.
        malformed: number of messages that could not be decoded.
        repeated: number of messages that were not newer than the one before.
        refusal: names the topics that the daemon refused; the owner raises it once and clears it.
    """

    def __init__(
        self,
        endpoint: str | None,
        *,
        bus: str | None = None,
        shards: Collection[str] = (),
        kinds: Collection[str] = (KIND_DELTA, KIND_EVENT),
        takes_batches: bool = False,
        timing: Timing | None = None,
        rng: random.Random | None = None,
    ) -> None:
        unknown = set(kinds).difference((*SHARD_KINDS, KIND_HEARTBEAT))
        if unknown or not kinds:
            raise ValueError(f"kinds are info, delta, event and hb, not {sorted(unknown)}")
        self.kinds = frozenset(kinds)
        self.scope = frozenset(shards) or None
        wanted = [kind for kind in SHARD_KINDS if kind in self.kinds]
        self._subscribes_prefix = subscribes_prefix(self.scope, len(wanted))
        self._wanted = wanted
        self._takes_batches = takes_batches and self._subscribes_prefix
        self.session = BusSession(
            self._topics, endpoint=endpoint, bus=bus, timing=timing, check_lateness=False, rng=rng
        )
        self.updates: deque[Update] = deque()
        self.malformed = 0
        self.repeated = 0
        self.refusal: NotAllowedError | None = None
        self._epoch: int | None = None
        self._stale_reported = False
        self._reset_counts()

    def _topics(self, offered: frozenset[str]) -> list[bytes]:
        topics = [topic(KIND_HEARTBEAT)]
        for kind in self._wanted:
            if kind == KIND_DELTA and self._takes_batches and KIND_BATCH in offered:
                topics.append(BATCH_TOPIC)
            else:
                topics += topics_of(kind, self.scope, all_shards=self._subscribes_prefix)
        return topics

    def _reset_counts(self) -> None:
        self._revisions = {KIND_INFO: RevisionGapDetector(), KIND_DELTA: RevisionGapDetector()}
        self._event_seqs = RevisionGapDetector()
        self._events = NumberGapDetector()

    def restart_counting(self, totals: Heartbeat) -> None:
        """Start counting again, as the owner requests a snapshot of everything now.

        Args:
            totals: those of the fence.
        """
        self._reset_counts()
        self._compare_totals(totals)

    # --- inputs

    def tick(self, now: float) -> None:
        """Check timeouts; all messages that have arrived must have been passed in before."""
        self.session.tick(now)
        self._report_stale(now)

    def on_bus(self, frames: Message, now: float) -> None:
        """Handle a bus message."""
        try:
            message = parse_message(frames)
            if not self.session.accepts(message.header, now):
                self._report_stale(now)
            elif message.kind == KIND_FENCE:
                self._on_fence(frames[0], message, now)
            elif self.session.phase is not Phase.JOINED:
                return
            elif message.kind == KIND_HEARTBEAT:
                self._on_heartbeat(decode_heartbeat(message), now)
            elif message.kind == KIND_EVENT:
                self._on_event(message)
            elif message.kind == KIND_BATCH:
                self._on_batch(message)
            elif message.kind == KIND_DELTA:
                self._on_delta(read_delta(frames[0], message))
            elif message.kind == KIND_INFO:
                self._on_info(message)
        except ProtocolError:
            self.malformed += 1

    def on_reply(self, frames: Message, now: float) -> None:
        """Handle a reply; `frames` are without the envelope."""
        try:
            reply = decode_reply(frames)
            if self.session.expects(reply):
                self.session.on_hello(reply, now)
        except ProtocolError as error:
            self.malformed += 1
            self.session.reset(now, f"a reply could not be decoded: {error}")

    # --- the session

    def _report_stale(self, now: float) -> None:
        if (
            self.session.phase is not Phase.JOINED
            and self.session.joins
            and not self._stale_reported
        ):
            self._stale_reported = True
            self.updates.append(Stale(now - self.session.last_heartbeat_at, self.session.problem))

    def _on_fence(self, fence: bytes, message: BusMessage, now: float) -> None:
        refused = decode_refused_topics(message)
        if self._takes_batches and self.session.is_fence(fence) and refused_kinds(refused):
            self._takes_batches = False  # take deltas one by one
            self.session.reset(now, "the daemon refuses batches")
            self._report_stale(now)
            return
        if not self.session.on_fence(fence, message.header, now):
            return
        self._stale_reported = False
        if refused and refused != self.session.refused_topics:
            self.refusal = refused_topics_error(refused)
        self.session.refused_topics = refused
        former, self._epoch = self._epoch, self.session.epoch
        assert self._epoch is not None
        if former is not None and former != self._epoch:
            self.updates.append(Restart(self.session.node, former, self._epoch))
            self._reset_counts()
        elif former is not None and not self._totals_apply:
            # No total can show whether messages were lost while libzmq reconnected.
            self.updates += [Gap(None, kind, None, None) for kind in sorted(self._checked())]
        if message.body:
            self._compare_totals(decode_heartbeat(message))

    def _on_heartbeat(self, heartbeat: Heartbeat, now: float) -> None:
        if self.session.on_heartbeat(heartbeat, now):
            self._compare_totals(heartbeat)
            if KIND_HEARTBEAT in self.kinds:
                self.updates.append(heartbeat)

    def _checked(self) -> frozenset[str]:
        return self.kinds.difference((KIND_HEARTBEAT,))

    @property
    def _totals_apply(self) -> bool:
        """Whether this client receives every message that the daemon's totals count."""
        return self._subscribes_prefix and not self.session.partial

    def _compare_totals(self, heartbeat: Heartbeat) -> None:
        """Compare the messages counted with the daemon's totals, where these apply."""
        if not self._totals_apply:
            return
        for kind in sorted(self._checked()):
            if kind == KIND_EVENT:
                total, missing = heartbeat.events, self._events.compare(heartbeat.events)
            else:
                total = heartbeat.revisions
                missing = self._revisions[kind].compare(total)
            if missing:
                self.updates.append(Gap(None, kind, total, total - missing))

    # --- shards

    def _on_info(self, message: BusMessage) -> None:
        shard, seq = message.name, message.header.seq
        update = decode_snapshot(message) if self._wants(shard) else None
        self._on_revision(KIND_INFO, shard, seq, update)

    def _on_batch(self, message: BusMessage) -> None:
        deltas, malformed = read_batch(message)
        self.malformed += malformed
        for delta in deltas:
            try:
                self._on_delta(delta)
            except ProtocolError:
                self.malformed += 1

    def _on_delta(self, delta: ReadDelta) -> None:
        shard, revision, base, time, body = delta
        if base < 0:
            raise ProtocolError("the body of a delta is malformed")
        update = None
        if self._wants(shard):
            changed, unset, _ = decode_changes(body)
            update = make_delta(shard, revision, base, time, changed, unset)
        self._on_revision(KIND_DELTA, shard, revision, update)

    def _wants(self, shard: str) -> bool:
        return self.scope is None or shard in self.scope

    def _on_revision(
        self, kind: str, shard: str, seq: int, update: Snapshot | Delta | None
    ) -> None:
        """Handle an INFO or a delta; None for those of other shards."""
        detector = self._revisions[kind]
        last = detector.last.get(shard)
        missing = detector.count(shard, seq)
        if update is None:
            return
        if missing < 0:
            self.repeated += 1
            return
        if missing:
            self.updates.append(Gap(shard, kind, (last or 0) + 1, seq))
        elif isinstance(update, Delta) and last is not None and update.base not in (0, seq - 1):
            self.updates.append(Gap(shard, kind, seq - 1, update.base))
        self.updates.append(update)

    def _on_event(self, message: BusMessage) -> None:
        event = decode_event(message)
        shard = event.shard
        if self._totals_apply:
            newest = self._events.newest
            missing = self._events.count(event.number)
            if missing > 0:
                expected = (newest or 0) + 1
                self.updates.append(Gap(None, KIND_EVENT, expected, event.number))
        else:
            last = self._event_seqs.last.get(shard)
            missing = self._event_seqs.count(shard, event.seq)
            if missing > 0:
                self.updates.append(Gap(shard, KIND_EVENT, (last or 0) + 1, event.seq))
        if event.type == REMOVED:
            for detector in (*self._revisions.values(), self._event_seqs):
                detector.forget(shard)
        if missing < 0:
            self.repeated += 1
        elif self.scope is None or shard in self.scope:
            self.updates.append(event)
