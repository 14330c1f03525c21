"""What a Subscriber makes of messages, replies and time. Pure: no socket, no clock."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Collection

from zinfo.client.bus_session import Link, Phase, Timing, refusal
from zinfo.client.decoding import (
    Opened,
    open_message,
    read_delta,
    read_event,
    read_heartbeat,
    read_refused,
    read_snapshot,
)
from zinfo.client.gap_detection import EventTally, RevisionTally
from zinfo.client.topics import takes_all, topics_of
from zinfo.client.updates import Delta, Gap, Heartbeat, Restart, Stale, Update
from zinfo.errors import NotAllowedError, ProtocolError
from zinfo.wire.bus_messages import (
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


class StreamState:
    """The updates of some kinds, of all or some shards, and every sign that one is missing.

    Args:
        endpoint: the daemon's query endpoint; None where only `bus` is known.
        bus: the bus endpoint; None where the daemon tells.
        shards: ids of the shards of interest; empty for all.
        kinds: any of "info", "delta", "event", "hb".
        timing: the waits.
        rng: source of nonces and random waits.

    Attributes:
        link: the way to the daemon; its `actions` are to be carried out.
        updates: what to tell, oldest first; the owner takes them out.
        malformed: messages that could not be read.
        repeated: messages that were not newer than the one before.
        refusal: says which topics the daemon refuses; the owner raises it once, and takes it out.
    """

    def __init__(
        self,
        endpoint: str | None,
        *,
        bus: str | None = None,
        shards: Collection[str] = (),
        kinds: Collection[str] = (KIND_DELTA, KIND_EVENT),
        timing: Timing | None = None,
        rng: random.Random | None = None,
    ) -> None:
        unknown = set(kinds).difference((*SHARD_KINDS, KIND_HEARTBEAT))
        if unknown or not kinds:
            raise ValueError(f"kinds are info, delta, event and hb, not {sorted(unknown)}")
        self.kinds = frozenset(kinds)
        self.scope = frozenset(shards) or None
        wanted = [kind for kind in SHARD_KINDS if kind in self.kinds]
        self._takes_all = takes_all(self.scope, len(wanted))
        topics = [topic(KIND_HEARTBEAT)]
        for kind in wanted:
            topics += topics_of(kind, self.scope, take_all=self._takes_all)
        self.link = Link(
            topics, endpoint=endpoint, bus=bus, timing=timing, judge_lateness=False, rng=rng
        )
        self.updates: deque[Update] = deque()
        self.malformed = 0
        self.repeated = 0
        self.refusal: NotAllowedError | None = None
        self._epoch: int | None = None
        self._told_stale = False
        self._reset()

    def _reset(self) -> None:
        self._revisions = {KIND_INFO: RevisionTally(), KIND_DELTA: RevisionTally()}
        self._event_seqs = RevisionTally()
        self._events = EventTally()

    def count_anew(self, totals: Heartbeat) -> None:
        """Forget what came so far: the owner asks for a snapshot of everything now.

        Args:
            totals: those that came with the fence.
        """
        self._reset()
        self._compare(totals)

    # --- what happens

    def tick(self, now: float) -> None:
        """Time passed, and nothing that came meanwhile is left to be passed in."""
        self.link.tick(now)
        self._tell_stale(now)

    def on_bus(self, frames: Message, now: float) -> None:
        """A bus message came."""
        try:
            opened = open_message(frames)
            if not self.link.accepts(opened.header, now):
                self._tell_stale(now)
            elif opened.kind == KIND_FENCE:
                self._on_fence(frames[0], opened, now)
            elif self.link.phase is not Phase.JOINED:
                return
            elif opened.kind == KIND_HEARTBEAT:
                self._on_heartbeat(read_heartbeat(opened), now)
            elif opened.kind == KIND_EVENT:
                self._on_event(opened)
            elif opened.kind in self._revisions:
                self._on_revision(opened)
        except ProtocolError:
            self.malformed += 1

    def on_reply(self, frames: Message, now: float) -> None:
        """A reply came; `frames` without the envelope."""
        try:
            reply = decode_reply(frames)
            if self.link.expects(reply):
                self.link.greeted(reply, now)
        except ProtocolError as error:
            self.malformed += 1
            self.link.lose(now, f"a reply could not be read: {error}")

    # --- the link

    def _tell_stale(self, now: float) -> None:
        if self.link.phase is not Phase.JOINED and self.link.joins and not self._told_stale:
            self._told_stale = True
            self.updates.append(Stale(now - self.link.heard_at, self.link.problem))

    def _on_fence(self, fence: bytes, opened: Opened, now: float) -> None:
        if not self.link.fence(fence, opened.header, now):
            return
        self._told_stale = False
        refused = read_refused(opened)
        if refused and refused != self.link.refused:
            self.refusal = refusal(refused)
        self.link.refused = refused
        former, self._epoch = self._epoch, self.link.epoch
        assert self._epoch is not None
        if former is not None and former != self._epoch:
            self.updates.append(Restart(self.link.node, former, self._epoch))
            self._reset()
        elif former is not None and not self._counts_all:
            # No total will tell whether the cut swallowed something.
            self.updates += [Gap(None, kind, None, None) for kind in sorted(self._checked())]
        if opened.body:
            self._compare(read_heartbeat(opened))

    def _on_heartbeat(self, heartbeat: Heartbeat, now: float) -> None:
        if self.link.heartbeat(heartbeat, now):
            self._compare(heartbeat)
            if KIND_HEARTBEAT in self.kinds:
                self.updates.append(heartbeat)

    def _checked(self) -> frozenset[str]:
        return self.kinds.difference((KIND_HEARTBEAT,))

    @property
    def _counts_all(self) -> bool:
        """Whether all that the daemon counts comes here; it may not tell a client of all shards."""
        return self._takes_all and not self.link.partial

    def _compare(self, heartbeat: Heartbeat) -> None:
        """Compare what came with the daemon's totals, where all of it should have come."""
        if not self._counts_all:
            return
        for kind in sorted(self._checked()):
            if kind == KIND_EVENT:
                total, missing = heartbeat.events, self._events.missing(heartbeat.events)
            else:
                total = heartbeat.revisions
                missing = self._revisions[kind].missing(total)
            if missing:
                self.updates.append(Gap(None, kind, total, total - missing))

    # --- shards

    def _on_revision(self, opened: Opened) -> None:
        """An INFO or a delta came."""
        tally, shard, seq = self._revisions[opened.kind], opened.name, opened.header.seq
        wanted = self.scope is None or shard in self.scope
        last = tally.last.get(shard)
        update = None
        if wanted:
            update = read_delta(opened) if opened.kind == KIND_DELTA else read_snapshot(opened)
        missing = tally.saw(shard, seq)
        if update is None:
            return
        if missing < 0:
            self.repeated += 1
            return
        if missing:
            self.updates.append(Gap(shard, opened.kind, (last or 0) + 1, update.revision))
        elif isinstance(update, Delta) and last is not None and update.base not in (0, seq - 1):
            self.updates.append(Gap(shard, opened.kind, seq - 1, update.base))
        self.updates.append(update)

    def _on_event(self, opened: Opened) -> None:
        event = read_event(opened)
        shard = event.shard
        if self._counts_all:
            newest = self._events.newest
            missing = self._events.saw(event.number)
            if missing > 0:
                expected = (newest or 0) + 1
                self.updates.append(Gap(None, KIND_EVENT, expected, event.number))
        else:
            last = self._event_seqs.last.get(shard)
            missing = self._event_seqs.saw(shard, event.seq)
            if missing > 0:
                self.updates.append(Gap(shard, KIND_EVENT, (last or 0) + 1, event.seq))
        if event.type == REMOVED:
            for tally in (*self._revisions.values(), self._event_seqs):
                tally.forget(shard)
        if missing < 0:
            self.repeated += 1
        elif self.scope is None or shard in self.scope:
            self.updates.append(event)
