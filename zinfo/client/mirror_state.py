"""Keeps a copy of a daemon's shards equal to the daemon's, or marks it stale. Pure.

The owner passes in bus messages, replies and the current time, carries out `session.actions`, and
passes `changes` on to listeners.

Joining. `BusSession` joins the bus (BACKOFF, AWAITING_HELLO, AWAITING_FENCE, JOINED). Messages that
arrive before the fence are ignored, as the snapshot will include them. After the fence, and once
the daemon's totals are known from the fence or the first heartbeat, all shards are requested with
`snapshot`, page by page. Deltas and events that arrive meanwhile are held back in
`PendingUpdates` and applied to the page's entry when it comes.

Never silently wrong. Every loss leaves one of these signs, and each sign makes something suspect
until `Resync` has fetched a snapshot that was requested after the sign:

| sign | suspect | request |
|---|---|---|
| a delta whose base is not the revision held | that shard | that shard |
| a stored INFO or delta that is malformed when it is read | that shard | that shard |
| a batch is missing, or malformed | all INFO | suspect shards |
| a heartbeat's total of revisions is not the number of deltas counted | all INFO | suspect shards |
| an event number was skipped | all states and labels, which shards exist | everything |
| a heartbeat's total of events or shards differs | the same | everything |
| the fence arrives again: libzmq has reconnected | everything | everything |
| no heartbeat for three intervals, late messages, another epoch | everything | join again |

With `labels`, only the shards that have them are stored. All deltas are counted, so that the totals
apply, and all events are read: an event that has the labels of a shard adds it or removes it. The
daemon selects by label, too, so that a snapshot has only these shards.

A delta whose base is the revision held clears its own shard. Where totals count messages that this
client does not receive (a Mirror of some shards, or hidden shards), they cannot show the loss of a
shard's last delta. There a shard is requested after each of its events, and when it is up and
was silent for `QUIET_INTERVALS` polls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from zinfo.client.bus_session import (
    Phase,
    SendRequest,
)
from zinfo.client.mirror_bus import MirrorBus
from zinfo.client.resync import Fetch
from zinfo.client.snapshot_page import PackedEntry, decode_page
from zinfo.client.updates import Info
from zinfo.errors import ProtocolError, UnknownShardError
from zinfo.wire.codec import Message
from zinfo.wire.lifecycle import UP
from zinfo.wire.query_messages import Reply, Request, decode_reply_header

QUIET_INTERVALS = 3  # polling intervals without a delta after which an up shard is requested
QUIET_SECONDS = 5.0  # lower bound of that time
QUIET_CHECK_SECONDS = 1.0  # between two checks for such shards
SOURCES_CHECK_SECONDS = 1.0  # between two requests whether a daemon has read all of its sources


class View(NamedTuple):
    """One shard at one moment.

    Attributes:
        revision: of `info`; 0 where the shard was never polled.
        state: new, up, loading, busy or down.
        info: field to value; None where the shard was never polled.
        fresh: whether this is what the daemon has, except for messages in transit; see `Mirror`.
    """

    revision: int
    state: str
    info: Info | None
    fresh: bool


class MirrorState(MirrorBus):
    """A live copy of all or some shards of a daemon; arguments and attributes as there."""

    def watch_sources(self) -> None:
        """Ask a daemon that has not read all of its sources so far when it has, for a Fleet."""
        self._sources_check_at = 0.0

    # --- queries

    def lists_all(self, now: float) -> bool:
        """Return whether it is known which shards of the daemon exist, and the daemon knows all."""
        return self.session.reliable(now) and self.resync.complete and not self.session.waiting

    def stale_shards(self, now: float) -> set[str]:
        """Return the ids of the shards that may be out of date, including some not held."""
        stale = self.store.all_suspect()
        if not self.session.reliable(now):
            stale.update(self.store.records)
        if self.scope is not None and (not self.resync.complete or not self.session.reliable(now)):
            stale.update(self.scope.difference(self.store.records))
        return stale

    def view(self, shard: str, now: float) -> View:
        """Return one shard, or raise KeyError."""
        record = self.store.records[shard]
        info = self.store.info(shard)
        return View(record.revision, record.state, info, self.fresh(shard, now))

    def fresh(self, shard: str, now: float) -> bool:
        """Return whether a shard that is held is current."""
        return self.session.reliable(now) and not self.store.is_suspect(shard)

    def deadline(self) -> float:
        """Return the time of the next `tick` that is needed if no message arrives."""
        deadline = self.session.deadline()
        if self.session.waiting:
            deadline = min(deadline, self._sources_check_at)
        if self.session.phase is Phase.JOINED and self._has_totals:
            due = self.resync.deadline()
            return deadline if due is None else min(deadline, due)
        return deadline

    # --- inputs

    def tick(self, now: float) -> None:
        """Check timeouts, and send requests that are due."""
        self.session.tick(now)
        if not self.session.reliable(now):
            return
        if self.resync.overdue(now):
            request = self.resync.retry(now)
            if request is None:
                self.session.reset(now, "no answer to a request for a snapshot")
                return
            self.session.resend(request)
        if not self._totals_apply and now >= self._quiet_check_at:
            self._quiet_check_at = now + QUIET_CHECK_SECONDS
            self._check_quiet(now)
        if self.session.waiting and now >= self._sources_check_at:
            self._sources_check_at = now + SOURCES_CHECK_SECONDS
            self.session.actions.append(SendRequest(self.session.repeated_hello()))
        if self._has_totals:
            held = len(self.store.records)
            number = self._events.newest or 0
            request = self.resync.start(self.store.all_suspect(), held, number, now)
            if request:
                self.store.snapshot_in_progress = True
                self.session.actions.append(SendRequest(request))
        self._schedule(now)

    def on_reply(self, frames: Message, now: float) -> None:
        """Handle a reply; `frames` are without the envelope."""
        self.session.tick(now)
        try:
            reply = decode_reply_header(frames)
            if self.session.expects(reply):
                reply.decode_body()
                self.session.on_hello(reply, now)
            elif self.session.phase is Phase.JOINED and self.resync.expects(reply):
                assert self.resync.fetch is not None
                self._on_page(reply, self.resync.fetch, now)
            else:
                self.session.on_repeated_hello(reply)
        except ProtocolError as error:
            self.store.malformed += 1
            self.session.reset(now, f"a reply could not be decoded: {error}")
        self._schedule(now)

    def _check_quiet(self, now: float) -> None:
        """Request shards that should have been polled, where totals cannot show a lost delta."""
        for shard, record in self.store.records.items():
            limit = max(QUIET_SECONDS, QUIET_INTERVALS * record.interval)
            seen_at = max(record.last_seen_at, record.polled_at)
            if record.state == UP and now - seen_at > limit:
                record.last_seen_at = now
                self.resync.checks.add(shard)

    # --- snapshots

    def _on_page(self, reply: Reply, fetch: Fetch, now: float) -> None:
        if reply.epoch != self.epoch:
            self.session.reset(now, "another daemon, or one that started again, answered")
            return
        if isinstance(reply.error, UnknownShardError) and fetch.ids:
            request = self.resync.on_unknown_shard(fetch, now)
        elif reply.error is not None:
            self.problem = str(reply.error)
            self.resync.abort()
            return
        else:
            request = self._apply_page(reply, fetch, now)
        if request:
            self.session.actions.append(SendRequest(request))
            return
        for shard in sorted(fetch.wanted - fetch.seen):
            absent = self.store.apply_absence(shard, fetch.number, self.session.daemon_time(now))
            self._report(absent)
        self.problem = ""
        self.store.on_snapshot_end()

    def _apply_page(self, reply: Reply, fetch: Fetch, now: float) -> Request | None:
        """Store the shards of a page; return the request for the next one, if any."""
        entries = [self._narrowed(entry) for entry in decode_page(reply.packed or b"")]
        clears = not fetch.invalidated
        request = self.resync.next_page(fetch, reply.cursor, now)
        for entry in entries:
            if self.scope is None or entry.shard in self.scope:
                fetch.seen.add(entry.shard)
                self._report(self.store.apply_entry(entry, now, clears=clears))
        return request

    def _narrowed(self, entry: PackedEntry) -> PackedEntry:
        """Return an entry with the mirrored fields only; an older daemon sends all."""
        if self._reader is None or entry.info is None or self.resync.keys:
            return entry
        return replace(entry, info=self._reader.narrow_info(entry.info))
