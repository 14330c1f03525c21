"""What a Mirror does with messages, replies and time. Pure: it holds no socket and reads no clock.

The owner passes in what arrives, carries out `link.actions`, and hands `changes` to whoever
listens.

How a loss is noticed, and what follows:

- a delta whose base is not what is held: that shard is doubtful; ask for its snapshot;
- a heartbeat whose total of revisions is not what was counted: every INFO is doubtful until a delta
  that fits, or a snapshot, proves it;
- an event number that does not follow, or a heartbeat's total of events or shards that does not
  agree: every state is doubtful, and so is which shards exist; ask for everything;
- the fence again (the connection was made anew): as after joining, everything;
- silence, lateness, another epoch: nothing is reliable; join again.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Collection
from typing import NamedTuple

from zinfo.client.bus_session import Ask, Link, Phase, Timing, refusal
from zinfo.client.decoding import (
    Opened,
    entry_from,
    open_message,
    read_delta,
    read_event,
    read_heartbeat,
    read_refused,
)
from zinfo.client.gap_detection import EventTally
from zinfo.client.resync import Fetch, Resync
from zinfo.client.shard_store import Change, Copies
from zinfo.client.topics import mirror_topics, takes_all
from zinfo.client.updates import Heartbeat, Info
from zinfo.errors import ProtocolError, UnknownShardError
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT, KIND_FENCE, KIND_HEARTBEAT
from zinfo.wire.codec import Message
from zinfo.wire.lifecycle import UP
from zinfo.wire.query_messages import Reply, Request, decode_reply

QUIET_INTERVALS = 3  # an up shard that misses so many polls is asked for, where totals cannot tell
QUIET_SECONDS = 5.0  # but not before so long
QUIET_LOOK = 1.0  # seconds between two looks for such shards


class View(NamedTuple):
    """One shard at one moment.

    Attributes:
        revision: of `info`; 0 where the shard was never polled.
        state: new, up, loading, busy or down.
        info: field to value; None where the shard was never polled.
        fresh: whether this is what the daemon has, but for what is on its way; see `Mirror`.
    """

    revision: int
    state: str
    info: Info | None
    fresh: bool


class MirrorState:
    """A live copy of all or some shards of a daemon.

    Args:
        endpoint: the daemon's query endpoint.
        shards: ids of the shards of interest; None for all.
        bus: the bus endpoint, where it is not the one that the daemon tells.
        timing: the waits.
        tells: whether `changes` is wanted.
        rng: source of nonces and random waits.
        max_kept_bytes: bound of what waits for a snapshot.

    Attributes:
        link: the way to the daemon; its `actions` are to be carried out.
        copies: the shards.
        changes: what changed, oldest first; the owner takes them out.
        epoch: of the daemon that was joined last; None before.
        problem: the last refusal of a snapshot; "" where none.
        malformed: messages that could not be read.
        gaps: signs of loss.
    """

    def __init__(
        self,
        endpoint: str,
        shards: Collection[str] | None = None,
        *,
        bus: str | None = None,
        timing: Timing | None = None,
        tells: bool = True,
        rng: random.Random | None = None,
        max_kept_bytes: int = 64 << 20,
    ) -> None:
        self.scope = None if shards is None else frozenset(shards)
        self.link = Link(
            mirror_topics(self.scope), endpoint=endpoint, bus=bus, timing=timing, rng=rng
        )
        self.copies = Copies(tells=tells, max_kept_bytes=max_kept_bytes)
        self.resync = Resync(self.scope, self.link.next_id, self.link.timing, self.link.rng)
        self.changes: list[Change] = []
        self.epoch: int | None = None
        self.problem = ""
        self.malformed = 0
        self.gaps = 0
        self._events = EventTally()
        self._has_totals = False  # since the fence; losses before the first could not be noticed
        self._quiet_at = 0.0  # when to look for quiet shards next

    @property
    def _counts_all(self) -> bool:
        """Whether the daemon's totals count just what comes here."""
        return takes_all(self.scope) and not self.link.partial

    # --- what the owner asks

    def stale(self, now: float) -> bool:
        """Return whether anything held may be wrong."""
        return not self.link.reliable(now) or not self.resync.whole or self.copies.any_doubtful()

    def stale_shards(self, now: float) -> set[str]:
        """Return the ids whose copies may be wrong; some may not be held at all."""
        stale = self.copies.all_doubtful()
        if not self.link.reliable(now):
            stale.update(self.copies.records)
        if self.scope is not None and (not self.resync.whole or not self.link.reliable(now)):
            stale.update(self.scope.difference(self.copies.records))
        return stale

    def view(self, shard: str, now: float) -> View:
        """Return one shard, or raise KeyError."""
        record = self.copies.records[shard]
        return View(record.revision, record.state, record.info, self.fresh(shard, now))

    def fresh(self, shard: str, now: float) -> bool:
        """Return whether the copy of a shard that is held may be relied on."""
        return self.link.reliable(now) and not self.copies.doubtful(shard)

    def deadline(self) -> float:
        """Return the time at which `tick` has something to do, if nothing else happens."""
        deadline = self.link.deadline()
        if self.link.phase is Phase.JOINED and self._has_totals:
            due = self.resync.deadline()
            return deadline if due is None else min(deadline, due)
        return deadline

    # --- what happens

    def tick(self, now: float) -> None:
        """Time passed."""
        self.link.tick(now)
        if not self.link.reliable(now):
            return
        if self.resync.overdue(now):
            again = self.resync.again(now)
            if again is None:
                self.link.lose(now, "no answer to a request for a snapshot")
                return
            self.link.ask_afresh(again)
        if not self._counts_all and now >= self._quiet_at:
            self._quiet_at = now + QUIET_LOOK
            self._check_quiet(now)
        if self._has_totals:
            held = len(self.copies.records)
            number = self._events.newest or 0
            request = self.resync.start(self.copies.all_doubtful(), held, number, now)
            if request:
                self.copies.snapshot_under_way = True
                self.link.actions.append(Ask(request))
        self._schedule(now)

    def on_bus(self, frames: Message, now: float) -> None:
        """A bus message came."""
        self.link.tick(now)  # after a long silence, what was queued meanwhile is not news
        try:
            opened = open_message(frames)
            if not self.link.accepts(opened.header, now):
                return
            if opened.kind == KIND_FENCE:
                self._on_fence(frames[0], opened, now)
            elif not self.link.reliable(now):
                return  # before the fence; the snapshot will have it
            elif opened.kind == KIND_DELTA:
                self._on_delta(opened, now)
            elif opened.kind == KIND_EVENT:
                self._on_event(opened, now)
            elif opened.kind == KIND_HEARTBEAT:
                self._on_heartbeat(opened, now)
        except ProtocolError:
            self.malformed += 1
        self._schedule(now)

    def on_reply(self, frames: Message, now: float) -> None:
        """A reply came; `frames` without the envelope."""
        self.link.tick(now)
        fetch = self.resync.fetch if self.link.phase is Phase.JOINED else None
        try:
            reply = decode_reply(frames)
            if self.link.expects(reply):
                self.link.greeted(reply, now)
            elif fetch and reply.id == fetch.request_id:
                self._on_page(reply, fetch, now)
        except ProtocolError as error:
            self.malformed += 1
            self.link.lose(now, f"a reply could not be read: {error}")
        self._schedule(now)

    # --- bus

    def _on_fence(self, topic: bytes, opened: Opened, now: float) -> None:
        if not self.link.fence(topic, opened.header, now):
            return
        self.copies.rejoin(same_epoch=self.epoch == self.link.epoch)
        self.resync.rejoin(now, at_once=self.epoch is None)
        self.epoch = self.link.epoch
        self._events = EventTally()
        self._has_totals = False
        self.link.refused = read_refused(opened)
        if self.link.refused:
            self.problem = str(refusal(self.link.refused))
        if opened.body:  # totals right at the fence spare the wait for the first heartbeat
            with contextlib.suppress(ProtocolError):
                self._compare(read_heartbeat(opened), now)

    def _on_delta(self, opened: Opened, now: float) -> None:
        self.copies.wire.saw(opened.name, opened.header.seq)
        if self.scope is not None and opened.name not in self.scope:
            return
        try:
            delta = read_delta(opened)
        except ProtocolError:
            self.gaps += 1
            self.copies.doubt(opened.name)
            raise
        # Until the first snapshot is there, what is not held is not lost.
        expected = self.resync.whole and not self.copies.doubtful(opened.name)
        polled_at = now - self.link.lateness(opened.header, now)
        self._tell(self.copies.delta(delta, len(opened.body), polled_at))
        if expected and self.copies.doubtful(opened.name):
            self.gaps += 1

    def _on_event(self, opened: Opened, now: float) -> None:
        event = read_event(opened)
        if self._events.saw(event.number) > 0:
            self._doubt_events()
        if self.scope is not None and event.shard not in self.scope:
            return
        self.copies.event(event, now)
        self._tell([event])
        if not self._counts_all and event.shard in self.copies.records:
            self.resync.checks.add(event.shard)  # the last delta before it may have been lost

    def _on_heartbeat(self, opened: Opened, now: float) -> None:
        heartbeat = read_heartbeat(opened)
        if self.link.heartbeat(heartbeat, now):
            self._compare(heartbeat, now)

    def _compare(self, heartbeat: Heartbeat, now: float) -> None:
        """Compare what was counted with the daemon's totals."""
        self._has_totals = True
        if self._counts_all and self.copies.wire.missing(heartbeat.revisions):
            self.gaps += 1
            self.copies.doubt_infos()
            self.resync.distrust()
        if self._events.missing(heartbeat.events) > 0:
            self._doubt_events()
        if self.stale(now):
            return
        self.resync.calm()
        same_moment = heartbeat.events == self._events.newest
        holds_all = self.scope is None and not self.link.partial
        if holds_all and same_moment and heartbeat.shards != len(self.copies.records):
            self._doubt_events()

    def _doubt_events(self) -> None:
        self.gaps += 1
        self.copies.doubt_states()
        self.resync.distrust(everything=True)

    def _check_quiet(self, now: float) -> None:
        """Ask for shards that ought to have been polled: where totals cannot tell a lost delta."""
        for shard, record in self.copies.records.items():
            limit = max(QUIET_SECONDS, QUIET_INTERVALS * record.interval)
            if record.state == UP and now - record.heard_at > limit:
                record.heard_at = now
                self.resync.checks.add(shard)

    # --- snapshots

    def _on_page(self, reply: Reply, fetch: Fetch, now: float) -> None:
        if reply.epoch != self.epoch:
            self.link.lose(now, "another daemon, or one that started again, answered")
            return
        if isinstance(reply.error, UnknownShardError) and fetch.asked:
            request = self.resync.unknown(fetch, now)
        elif reply.error is not None:
            self.problem = str(reply.error)
            self.resync.failed()
            return
        else:
            request = self._take_page(reply, fetch, now)
        if request:
            self.link.actions.append(Ask(request))
            return
        for shard in sorted(fetch.wanted - fetch.seen):
            self._tell(self.copies.absent(shard, fetch.number, self.link.daemon_time(now)))
        self.problem = ""
        self.copies.snapshot_done()

    def _take_page(self, reply: Reply, fetch: Fetch, now: float) -> Request | None:
        """Take the shards of a page; return the request for the next one, if any."""
        if not isinstance(reply.body, list):
            raise ProtocolError("a snapshot is an array")
        entries = [entry_from(value) for value in reply.body]
        proves = not fetch.distrusted
        request = self.resync.page(fetch, reply.cursor, now)
        for entry in entries:
            if self.scope is None or entry.shard in self.scope:
                fetch.seen.add(entry.shard)
                self._tell(self.copies.entry(entry, now, proves=proves))
        return request

    def _schedule(self, now: float) -> None:
        """Decide when to ask, where there is something to ask for."""
        wanted = self.resync.everything or self.resync.checks or self.copies.any_doubtful()
        if wanted and self.link.phase is Phase.JOINED:
            self.resync.schedule(now)

    def _tell(self, changes: list[Change]) -> None:
        if self.copies.tells:
            self.changes += changes
