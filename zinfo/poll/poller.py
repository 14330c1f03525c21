"""InfoPoller: polls the INFO of every live shard at the interval that its activity warrants.

Requests are sent and replies are read in callbacks of the event loop (`scheduler`, `connection`).
Only what may block, connecting above all, runs in greenlets (`shard_connector`, `handshake`).
"""

from __future__ import annotations

import logging
import math
import random
import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import gevent.event

from zinfo.health.internal_errors import InternalErrors
from zinfo.health.stats import Stats
from zinfo.info.section_choice import parse_choice
from zinfo.loop.callback_queue import CallbackQueue
from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.loop.urgent_work import UrgentWork
from zinfo.loop.yielding import CooperativeYield
from zinfo.poll.address_follower import AddressFollower, Moved
from zinfo.poll.errors import PROTOCOL, PollError
from zinfo.poll.exception_report import ExceptionEvent, ExceptionReport
from zinfo.poll.failure_handler import FailureHandler
from zinfo.poll.handshake import HandshakeResult, require_cooperative_sockets
from zinfo.poll.limits import PollLimits
from zinfo.poll.pipelined_connection import make_connection
from zinfo.poll.poll_state import ShardPollState
from zinfo.poll.resolver import use_threaded_resolver
from zinfo.poll.scheduler import NEVER, PollScheduler
from zinfo.poll.section_problems import SectionProblems
from zinfo.poll.shard_connector import ShardConnector
from zinfo.poll.state_machine import ShardStateMachine
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardEvent, ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot
from zinfo.shards.source import SnapshotCallback

logger = logging.getLogger(__name__)


class InfoPoller:
    """Polls the shards that are live now and those added later, from construction to `stop()`.

    A context manager: leaving it stops it.

    Args:
        publisher: the registry of live shards.
        log_after_failures: failures in a row after which a shard's failure is logged as a warning.
        limits: timeouts and size limits of a poll; a shard's own options override the timeouts.
        max_connecting: greatest number of connections that are established at the same time.
        jitter: part of the interval by which polls are moved at random, so that shards started
            together do not stay in step; 0.1 means up to 10 % earlier or later.
        max_backoff: greatest number of seconds between two attempts to connect to a failing shard.
        resolve_every: seconds between two lookups of a connected shard's host name; 0 looks it up
            only to connect. If the name has lost the address of its connection, the shard is
            connected to the new one. Not for shards whose client a callable returns.
        events: takes the lifecycle events; a new log if None.
        stats: takes the counters; new ones if None.
        urgent: runs between polls that are due or read together; None for none.
        grace: deprecated name of `log_after_failures`.
        backoff_max: deprecated name of `max_backoff`.

    Raises:
        EnvironmentNotReadyError: gevent's monkey-patching was not done.

    Attributes:
        events: the log of lifecycle events.
        stats: the counters of the poller, and of the bus and the queries if they share it.
        faults: counts and publishes internal errors.
        revisions: number of snapshots stored since the start, of all shards together.
    """

    def __init__(  # noqa: PLR0913 - two are deprecated names of others
        self,
        publisher: ShardPublisher,
        log_after_failures: int = 3,
        *,
        limits: PollLimits | None = None,
        max_connecting: int = 128,
        jitter: float = 0.1,
        max_backoff: float = 5.0,
        resolve_every: float = 60.0,
        events: EventLog | None = None,
        stats: Stats | None = None,
        urgent: UrgentWork | None = None,
        grace: int | None = None,
        backoff_max: float | None = None,
    ) -> None:
        if grace is not None or backoff_max is not None:
            warnings.warn(
                "InfoPoller: grace and backoff_max are deprecated, "
                "use log_after_failures and max_backoff",
                DeprecationWarning,
                stacklevel=2,
            )
        require_cooperative_sockets()
        use_threaded_resolver()
        self.events = events or EventLog()
        self.stats = stats or Stats()
        self.faults = InternalErrors(self.stats, self.events)
        self.revisions = 0
        self._publisher = publisher
        self._limits = limits or PollLimits()
        self._jitter = jitter
        self._state_machine = ShardStateMachine(self.events)
        self._section_problems = SectionProblems(self._state_machine)
        self._exceptions = ExceptionReport(self.stats.poll, self.faults)
        self._states: dict[str, ShardPollState] = {}
        self._urgent = urgent or UrgentWork()
        self._callback_queue = CallbackQueue(self._exceptions.report, self._urgent)
        # The queue's capacity limits new polls while replies wait to be read, so that a burst of
        # replies becomes shorter and no reply is old when it gets its time stamp.
        self._scheduler: PollScheduler[ShardPollState] = PollScheduler(
            self._on_due, self._on_timeout, self._exceptions.report, self._callback_queue.capacity
        )
        self._failures = FailureHandler(
            self._state_machine,
            self.stats.poll,
            self._connect,
            self._schedule,
            self._interval,
            self._exceptions.report,
            log_after_failures if grace is None else grace,
            max_backoff if backoff_max is None else backoff_max,
        )
        self._connector = ShardConnector(
            max_connecting,
            self.stats.poll,
            self._on_connected,
            self._failures.on_connect_failure,
            self._failures.on_connect_exception,
        )
        self._follower = AddressFollower(
            resolve_every, self._on_moved, self._on_move_failure, self._exceptions.report
        )
        self._callbacks: list[SnapshotCallback] = []
        self._revision_floor = 0
        publisher.subscribe_faults(self.faults.record_crash)
        publisher.subscribe_shard_event(ShardEvent.ADDED, self._add)
        publisher.subscribe_shard_event(ShardEvent.REMOVED, self._remove)
        publisher.subscribe_shard_event(ShardEvent.LABELS_CHANGED, self._on_labels_changed)
        publisher.subscribe_shard_event(ShardEvent.CONNECTION_CHANGED, self._on_options_changed)
        for shard in publisher.get_live_shards():
            self._add(shard)

    def __enter__(self) -> InfoPoller:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop polling and close all connections; the shards stay live, with their snapshots."""
        self._publisher.unsub_faults(self.faults.record_crash)
        self._publisher.unsub_shard_event(ShardEvent.ADDED, self._add)
        self._publisher.unsub_shard_event(ShardEvent.REMOVED, self._remove)
        self._publisher.unsub_shard_event(ShardEvent.LABELS_CHANGED, self._on_labels_changed)
        self._publisher.unsub_shard_event(ShardEvent.CONNECTION_CHANGED, self._on_options_changed)
        self._scheduler.close()
        self._callback_queue.close()
        for state in self._states.values():
            self._release(state)
        self._states.clear()
        self._connector.close()
        self._follower.close()

    def set_exception_event(self, event: ExceptionEvent) -> None:
        """Call `event.set_exception` with each unexpected exception.

        Args:
            event: an object with that method, such as a `gevent.event.AsyncResult`.
        """
        self._exceptions.event = event

    def subscribe_snapshots(self, callback: SnapshotCallback) -> None:
        """Call `callback(shard, previous, snapshot)` at every snapshot.

        Args:
            callback: runs in the event loop; it must neither block nor switch greenlets.
        """
        self._callbacks.append(callback)

    def refresh(self, shard_id: str, floor: float) -> gevent.event.Event | None:
        """Poll a shard now, or join the poll that is under way.

        Args:
            shard_id: id of a live shard.
            floor: least number of seconds from the start of the last poll to a new one.

        Returns:
            An event that is set when the poll has succeeded or failed; None if the last poll
            started less than `floor` seconds ago, or the shard is not polled here.
        """
        state = self._states.get(shard_id)
        if state is None:
            return None
        connection = state.connection
        under_way = state.connecting or (connection is not None and connection.reply_pending)
        now = time.monotonic()
        if not under_way and now - state.started_at < floor:
            return None
        if state.poll_done is None:
            state.poll_done = gevent.event.Event()
        done = state.poll_done
        if not under_way:
            self.stats.poll.refreshes += 1
            state.due = NEVER
            self._start_poll(state, now)
        return done

    def set_sections(self, sections: str | Iterable[str]) -> None:
        """Request these sections of INFO from now on, if a shard's own options name no others.

        Each affected shard gets a new connection at its next poll. Yields to the event loop.

        Args:
            sections: "everything" (the default), "all", "default", or names of sections. Those that
                polling itself needs are always requested: server, persistence, stats, replication.

        Raises:
            ValueError: a name is not valid, or there are too many.
        """
        self._limits = replace(self._limits, sections=parse_choice(sections))
        yielder = CooperativeYield(background=True)
        for state in list(self._states.values()):
            limits = self._limits_of(state.shard)
            if limits.sections != state.limits.sections and not state.removed:
                state.limits = limits
                if state.renew_connection():
                    self._connector.connect(state)
            yielder.maybe_yield()

    def _limits_of(self, shard: RedisShard) -> PollLimits:
        options = shard.redis_conn
        if isinstance(options, ConnectionOptions):
            return self._limits.overridden_by(options)
        return self._limits

    # --- the registry's events ---

    def _add(self, shard: RedisShard) -> None:
        state = self._states[shard.id] = ShardPollState(shard, self._limits_of(shard))
        self._state_machine.on_added(shard)
        self._connector.connect(state)

    def _remove(self, shard: RedisShard) -> None:
        state = self._states.pop(shard.id, None)
        if state is None:
            return
        self._release(state)
        self._revision_floor = max(self._revision_floor, shard.revision + 1)
        self._state_machine.on_removed(shard)

    def _on_labels_changed(self, shard: RedisShard) -> None:
        if shard.id in self._states:
            self._state_machine.on_labels_changed(shard)

    def _on_options_changed(self, shard: RedisShard) -> None:
        state = self._states.get(shard.id)
        if state is None:
            return
        before = state.limits.timeout
        if state.take_options(self._limits_of(shard)):
            self._connector.connect(state)
        if state.limits.timeout < before:
            self._scheduler.shorten_deadlines(state)

    def _release(self, state: ShardPollState) -> None:
        state.removed = True
        state.deadline = NEVER
        self._follower.remove(state)
        state.close_connection()
        state.finish_poll()

    # --- one poll ---

    def _on_due(self, state: ShardPollState, now: float, lateness: float) -> None:
        self._urgent.count()
        self.stats.poll.record_start(lateness)
        self._start_poll(state, now)

    def _start_poll(self, state: ShardPollState, now: float) -> None:
        if state.connection is None:
            self._connector.connect(state)
            return
        state.started_at = now
        self._scheduler.set_deadline(state, now, state.limits.timeout)
        state.connection.send_request()

    def _connect(self, state: ShardPollState) -> None:
        self._connector.connect(state)

    def _schedule(self, state: ShardPollState, delay: float) -> None:
        if not state.removed:
            self._scheduler.schedule(state, time.monotonic(), delay)

    def _on_connected(
        self, state: ShardPollState, result: HandshakeResult | dict[str, Any]
    ) -> None:
        if not isinstance(result, HandshakeResult):
            self._store(state, result)
            return
        if not state.matches(result):  # changed during the handshake
            result.sock.close()
            self._connector.connect(state)
            return
        self.stats.poll.connects += 1
        state.connection = make_connection(
            result.sock,
            result.info,
            state.limits,
            self,
            state,
            self._callback_queue,
            result.credentials,
        )
        self._follower.add(state, result)
        self._store(state, result.info.first_reply, first=True)
        self._section_problems.report(state, result.info.problem)

    def _on_moved(self, state: ShardPollState, moved: Moved) -> None:
        logger.info("shard %s: %s; connected to it", state.shard.id, moved.cause.message)
        state.close_connection()
        state.deadline, state.started_at = NEVER, moved.started_at
        state.disconnect_error = moved.cause
        self._on_connected(state, moved.result)

    def _on_move_failure(self, state: ShardPollState, error: PollError) -> None:
        if state.connection is not None and state.shard.last_error != error.message:
            self._state_machine.on_error(state.shard, error.message, error.reason)

    def on_reply(self, key: ShardPollState, raw: bytes) -> None:
        """Handle a reply of a connection."""
        key.deadline = NEVER
        self._store(key, raw)

    def _store(
        self, state: ShardPollState, reply: bytes | dict[str, Any], *, first: bool = False
    ) -> None:
        # No yield between the revision, the cache and the bus: all readers see the same revision.
        shard, previous = state.shard, state.shard.snapshot
        now = time.monotonic()
        revision = (previous.revision if previous else self._revision_floor) + 1
        try:
            if isinstance(reply, bytes):
                snapshot = Snapshot(reply, revision, time.time(), now, previous)
            else:
                snapshot = Snapshot.from_fields(reply, revision, time.time(), now)
            changed = state.hot_fields.read(snapshot)
            if changed and not snapshot.has_fields():
                self._failures.reconnect(state, PollError("INFO has no fields", PROTOCOL))
                return
            shard.store(snapshot, state.hot_fields.ops)
            self.revisions += 1
            self.stats.poll.replies += 1
            self.stats.poll.duration.add(now - state.started_at)
            if changed or shard.state is not ShardState.UP or state.disconnect_error is not None:
                self._update_state(state, snapshot, previous)
            for callback in self._callbacks:
                callback(shard, previous, snapshot)
        except FOREIGN_ERRORS as error:
            self._failures.on_unexpected(state, error)
        state.finish_poll()
        interval = self._interval(state)
        spread = random.random()
        factor = spread if first else 1 + self._jitter * (2 * spread - 1)
        if not state.removed:
            self.stats.poll.wanted_seconds += interval
            self._scheduler.schedule(state, now, interval * factor)

    def _update_state(
        self, state: ShardPollState, snapshot: Snapshot, previous: Snapshot | None
    ) -> None:
        self._failures.on_reply(state)
        self._state_machine.on_reply(state.shard, snapshot, state.hot_fields, previous)

    def _interval(self, state: ShardPollState) -> float:
        try:
            interval = float(state.shard.polling_interval())
            if 0 <= interval < math.inf:
                return interval
            raise ValueError(f"polling_interval() returned {interval}, not 0 or more seconds")
        except FOREIGN_ERRORS as error:
            self._failures.on_unexpected(state, error)
            return RedisShard.MAX_POLLING_INTERVAL

    # --- failures ---

    def _on_timeout(self, state: ShardPollState) -> None:
        # The reply may have arrived while zinfo itself was late. Reads that are queued come first.
        self._callback_queue.defer(
            partial(self._failures.fail_if_pending, state, state.connection, state.started_at)
        )

    def on_error_reply(self, key: ShardPollState, error: PollError) -> None:
        """Handle an error reply of a connection."""
        self._failures.on_error_reply(key, error)

    def on_close(self, key: ShardPollState, error: PollError) -> None:
        """Handle the end of a connection."""
        self._failures.on_close(key, error)
