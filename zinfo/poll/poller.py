"""InfoPoller: asks every live shard for INFO as often as its activity warrants.

Asking and reading are callbacks of the event loop (`timetable`, `connection`). Only what may wait,
connecting above all, runs in greenlets (`connector`, `handshake`).
"""

from __future__ import annotations

import logging
import math
import random
import time
from functools import partial
from typing import Any, Protocol

import gevent.event

from zinfo.health import fd_limits
from zinfo.health.internal_errors import InternalErrors
from zinfo.health.stats import Stats
from zinfo.loop.callback_queue import CallbackQueue
from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.poll.connect_pool import Connector
from zinfo.poll.connection import Link
from zinfo.poll.errors import OTHER, PROTOCOL, TIMEOUT, PollError
from zinfo.poll.handshake import Opened, open_or_ask, require_cooperative_sockets
from zinfo.poll.limits import Limits
from zinfo.poll.poll_state import DYING, Polled
from zinfo.poll.resolver import use_threads_of_their_own
from zinfo.poll.scheduler import NEVER, Timetable
from zinfo.poll.state_machine import Lifecycle
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardEvent, ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot
from zinfo.shards.source import SnapshotCallback

logger = logging.getLogger(__name__)


class ExceptionEvent(Protocol):
    """Something that can be told of an exception, such as a gevent AsyncResult."""

    def set_exception(self, exception: BaseException) -> object:
        """Take the exception."""


class InfoPoller:
    """Polls the shards that are live now and those added later, from construction to `stop()`.

    A context manager: leaving it stops it.

    Args:
        publisher: says which shards are live.
        grace: failures in a row before a shard's failing is logged as a warning.
        limits: timeouts and the size bound of a poll; a shard's own options override the timeouts.
        max_connecting: connections being made at the same time, at most.
        jitter: part of the interval by which polls are moved at random, so that shards started
            together do not stay in step; 0.1 means up to 10 % earlier or later.
        backoff_max: seconds between two tries of a shard that fails, at most.
        events: takes the lifecycle events; its own log where None.
        stats: takes the counters; its own where None.

    Raises:
        EnvironmentNotReadyError: gevent's monkey-patching was not done.

    Attributes:
        events: the `EventLog`.
        stats: the `Stats`.
        faults: takes what nobody foresaw.
        revisions: snapshots stored since the start, all shards together.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        grace: int = 3,
        *,
        limits: Limits | None = None,
        max_connecting: int = 128,
        jitter: float = 0.1,
        backoff_max: float = 5.0,
        events: EventLog | None = None,
        stats: Stats | None = None,
    ) -> None:
        require_cooperative_sockets()
        use_threads_of_their_own()
        self.events = events or EventLog()
        self.stats = stats or Stats()
        self.faults = InternalErrors(self.stats, self.events)
        self.revisions = 0
        self._publisher = publisher
        self._grace = grace
        self._limits = limits or Limits()
        self._jitter = jitter
        self._backoff_max = backoff_max
        self._lifecycle = Lifecycle(self.events)
        self._polled: dict[str, Polled] = {}
        self._queue = CallbackQueue(self._report)
        # Where answers wait, half as many are asked as were read: what is due is not held up by a
        # burst of them, and they do not become ever more, and old by the time they are read.
        self._timetable: Timetable[Polled] = Timetable(
            self._on_time, self._overdue, self._report, self._queue.capacity
        )
        self._connector: Connector[Polled] = Connector(self._open, max_connecting, self._not_opened)
        self._callbacks: list[SnapshotCallback] = []
        self._exception_event: ExceptionEvent | None = None
        self._revision_floor = 0
        publisher.subscribe_faults(self.faults.record_crash)
        publisher.subscribe_shard_event(ShardEvent.ADDED, self._add)
        publisher.subscribe_shard_event(ShardEvent.REMOVED, self._remove)
        publisher.subscribe_shard_event(ShardEvent.LABELS_CHANGED, self._relabel)
        for shard in publisher.get_live_shards():
            self._add(shard)

    def __enter__(self) -> InfoPoller:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop polling and close all connections; the shards and what is known of them stay."""
        self._publisher.unsub_faults(self.faults.record_crash)
        self._publisher.unsub_shard_event(ShardEvent.ADDED, self._add)
        self._publisher.unsub_shard_event(ShardEvent.REMOVED, self._remove)
        self._publisher.unsub_shard_event(ShardEvent.LABELS_CHANGED, self._relabel)
        self._timetable.close()
        self._queue.close()
        for polled in self._polled.values():
            self._let_go(polled)
        self._polled.clear()
        self._connector.close()

    def set_exception_event(self, event: ExceptionEvent) -> None:
        """Tell `event` (anything with `set_exception`) of any unexpected exception."""
        self._exception_event = event

    def subscribe_snapshots(self, callback: SnapshotCallback) -> None:
        """Call `callback(shard, previous, snapshot)` at every snapshot; it must not wait."""
        self._callbacks.append(callback)

    def refresh(self, shard_id: str, floor: float) -> gevent.event.Event | None:
        """Poll a shard now, or join the poll that is under way.

        Args:
            shard_id: of a live shard.
            floor: seconds since the last poll's start within which there is no other.

        Returns:
            An event that is set when the poll has ended, well or not; None where the last poll is
            within the floor, or the shard is not polled here.
        """
        polled = self._polled.get(shard_id)
        if polled is None:
            return None
        under_way = polled.connecting or (polled.link is not None and polled.link.asked)
        now = time.monotonic()
        if not under_way and now - polled.asked_at < floor:
            return None
        if polled.done is None:
            polled.done = gevent.event.Event()
        done = polled.done
        if not under_way:
            self.stats.poll.refreshes += 1
            polled.due = NEVER
            self._begin(polled, now)
        return done

    # --- which shards ---

    def _add(self, shard: RedisShard) -> None:
        limits = self._limits
        if isinstance(shard.redis_conn, ConnectionOptions):
            limits = limits.overridden_by(shard.redis_conn)
        polled = self._polled[shard.id] = Polled(shard, limits)
        self._lifecycle.added(shard)
        self._connect(polled)

    def _remove(self, shard: RedisShard) -> None:
        polled = self._polled.pop(shard.id, None)
        if polled is None:
            return
        self._let_go(polled)
        self._revision_floor = max(self._revision_floor, shard.revision + 1)
        self._lifecycle.removed(shard)

    def _relabel(self, shard: RedisShard) -> None:
        if shard.id in self._polled:
            self._lifecycle.relabelled(shard)

    def _let_go(self, polled: Polled) -> None:
        polled.removed = True
        polled.deadline = NEVER
        polled.close_link()
        polled.end()

    # --- one poll ---

    def _on_time(self, polled: Polled, now: float, late: float) -> None:
        self.stats.poll.record_start(late)
        self._begin(polled, now)

    def _begin(self, polled: Polled, now: float) -> None:
        if polled.link is None:
            self._connect(polled)
            return
        polled.asked_at = now
        self._timetable.expect(polled, now, polled.limits.timeout)
        polled.link.ask()

    def _schedule(self, polled: Polled, delay: float) -> None:
        if not polled.removed:
            self._timetable.schedule(polled, time.monotonic(), delay)

    def _connect(self, polled: Polled) -> None:
        if polled.connecting or polled.removed:
            return
        polled.connecting = True
        self._connector.add(polled, doubtful=polled.shard.failures > 0)

    def _open(self, polled: Polled) -> None:
        if polled.removed:
            return
        poll = self.stats.poll
        poll.connecting += 1
        poll.most_connecting = max(poll.most_connecting, poll.connecting)
        try:
            self._try_to_open(polled)
        finally:
            poll.connecting -= 1

    def _try_to_open(self, polled: Polled) -> None:
        polled.asked_at = time.monotonic()
        try:
            if fd_limits.exhausted():
                raise _files_used_up()
            opened = open_or_ask(polled.shard.redis_conn, polled.limits)
            if isinstance(opened, Opened) and fd_limits.is_reserved(opened.sock.fileno()):
                opened.sock.close()  # many were connecting when there was still room
                raise _files_used_up()
        except PollError as error:
            polled.connecting = False
            if polled.is_dying(error):
                polled.doubted = True
                self._schedule(polled, DYING)
            elif not polled.removed:
                self._failed(polled, error)
            return
        polled.connecting = False
        if isinstance(opened, Opened):
            if polled.removed:
                opened.sock.close()
                return
            self.stats.poll.connects += 1
            polled.link = Link(
                opened.sock,
                opened.request,
                polled.limits,
                self,
                polled,
                self._queue,
                opened.credentials,
            )
            self._store(polled, opened.first, first=True)
        elif not polled.removed:
            self._store(polled, opened)

    def _not_opened(self, polled: Polled, error: BaseException) -> None:
        # zinfo's own fault; the shard must be tried again all the same
        polled.connecting = False
        self._report(error)
        if not polled.removed:
            polled.close_link()
            self._failed(polled, PollError(f"{type(error).__name__}: {error}"))

    def answered(self, key: Polled, raw: bytes) -> None:
        """Take a reply from a link."""
        key.deadline = NEVER
        self._store(key, raw)

    def _store(self, polled: Polled, reply: bytes | dict[str, Any], *, first: bool = False) -> None:
        # Revision, cache and bus without a yield in between: whoever sees one sees all.
        shard, previous = polled.shard, polled.shard.snapshot
        now = time.monotonic()
        revision = (previous.revision if previous else self._revision_floor) + 1
        try:
            if isinstance(reply, bytes):
                snapshot = Snapshot(reply, revision, time.time(), now, previous)
            else:
                snapshot = Snapshot.from_fields(reply, revision, time.time(), now)
            changed = polled.essentials.read(snapshot)
            if changed and not snapshot.has_fields():
                self._drop(polled, PollError("INFO has no fields", PROTOCOL))
                return
            shard.store(snapshot, polled.essentials.ops)
            self.revisions += 1
            self.stats.poll.replies += 1
            self.stats.poll.duration.add(now - polled.asked_at)
            if changed or shard.state is not ShardState.UP or polled.lost is not None:
                self._notice(polled, snapshot)
            for callback in self._callbacks:
                callback(shard, previous, snapshot)
        except FOREIGN_ERRORS as error:
            self._unexpected(polled, error)
        polled.end()
        interval = self._interval(polled)
        spread = random.random()
        factor = spread if first else 1 + self._jitter * (2 * spread - 1)
        if not polled.removed:
            self.stats.poll.wanted_seconds += interval
            self._timetable.schedule(polled, now, interval * factor)

    def _notice(self, polled: Polled, snapshot: Snapshot) -> None:
        if polled.lost is not None:
            self._recovered(polled, polled.lost)
        self._log_recovery(polled)
        self._lifecycle.answered(polled.shard, snapshot, polled.essentials)

    def _interval(self, polled: Polled) -> float:
        try:
            interval = float(polled.shard.polling_interval())
            if 0 <= interval < math.inf:
                return interval
            raise ValueError(f"polling_interval() gave {interval}, not seconds from 0 up")
        except FOREIGN_ERRORS as error:
            self._unexpected(polled, error)
            return RedisShard.MAX_POLLING_INTERVAL

    # --- what goes wrong ---

    def _overdue(self, polled: Polled) -> None:
        # The answer may be there, and zinfo be what is late: all that came before is read first.
        self._queue.defer(partial(self._give_up, polled, polled.link, polled.asked_at))

    def _give_up(self, polled: Polled, link: Link[Polled] | None, asked_at: float) -> None:
        # Meanwhile this poll may have been answered, and another one begun on the same connection.
        if link is None or polled.link is not link or polled.asked_at != asked_at:
            return
        link.read()
        if polled.link is link and link.asked:
            polled.close_link()
            seconds = polled.limits.timeout
            self._failed(polled, PollError(f"no answer to INFO within {seconds:g} s", TIMEOUT))

    def refused(self, key: Polled, error: PollError) -> None:
        """Take an error reply from a link."""
        key.deadline = NEVER
        if error.state is ShardState.BUSY:  # the connection is good; the server will answer again
            self._failed(key, error)
        else:
            self._drop(key, error)

    def _drop(self, polled: Polled, error: PollError) -> None:
        polled.close_link()
        polled.lost = error
        self._connect(polled)

    def lost(self, key: Polled, error: PollError) -> None:
        """Take the end of a link."""
        polled = key
        polled.deadline = NEVER
        served = polled.link is not None and polled.link.replies > 0
        again = polled.reconnected and not served
        polled.link = None
        polled.lost = error
        polled.due = NEVER
        if again:  # links that end before they serve: not in a tight circle
            self._schedule(polled, self._interval(polled))
        else:  # at once: it says whether the shard is down
            polled.reconnected = True
            self._connect(polled)

    def _recovered(self, polled: Polled, error: PollError) -> None:
        polled.lost, polled.doubted = None, False
        if polled.shard.failures == 0:
            message = f"{error.message}; connected again"
            self._lifecycle.troubled(polled.shard, message, error.reason)

    def _failed(self, polled: Polled, error: PollError) -> None:
        shard = polled.shard
        polled.lost, polled.doubted = None, False
        self.stats.poll.failures[error.reason or error.state.value] += 1
        try:
            self._lifecycle.failed(shard, error)
            if shard.failures == self._grace:
                logger.warning(
                    "shard %s: %s (%d failures in a row)", shard.id, error, shard.failures
                )
        finally:  # whatever that raises: without a next poll the shard would be forgotten
            polled.end()
            alive = polled.link is not None
            delay = self._interval(polled) if alive else polled.backoff(self._backoff_max)
            self._schedule(polled, delay)

    def _log_recovery(self, polled: Polled) -> None:
        if polled.shard.failures >= self._grace:
            logger.warning(
                "shard %s answers again after %d failures", polled.shard.id, polled.shard.failures
            )

    def _unexpected(self, polled: Polled, error: BaseException) -> None:
        self._report(error)
        message = f"{type(error).__name__}: {error}"
        self._lifecycle.troubled(polled.shard, message, OTHER)

    def _report(self, error: BaseException) -> None:
        self.stats.poll.errors += 1
        self.faults.report("poller", error)
        if self._exception_event is None:
            return
        try:
            self._exception_event.set_exception(error)
        except FOREIGN_ERRORS as unable:
            self.faults.report("exception event", unable)


def _files_used_up() -> PollError:
    return PollError(f"out of file descriptors: {fd_limits.limit()} are allowed")
