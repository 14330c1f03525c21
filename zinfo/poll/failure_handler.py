"""What follows when a poll or a connection fails: the state of the shard, and its next attempt."""

from __future__ import annotations

import logging
from collections.abc import Callable

from zinfo.health.stats import PollStats
from zinfo.poll.connection import InfoConnection
from zinfo.poll.errors import OTHER, TIMEOUT, PollError
from zinfo.poll.poll_state import RESET_RETRY_DELAY, ShardPollState
from zinfo.poll.scheduler import NEVER
from zinfo.poll.state_machine import ShardStateMachine
from zinfo.shards.shard import ShardState

logger = logging.getLogger(__name__)


class FailureHandler:
    """Handles the failures of polls and connections.

    Args:
        state_machine: sets the states of shards.
        stats: `failures` is written.
        connect: connects a shard, unless that is under way.
        schedule: has a shard polled after some seconds.
        interval: returns the seconds from a poll of a shard to the next one.
        report: called with an unexpected exception.
        log_after_failures: failures in a row after which a shard's failure is logged as a warning.
        max_backoff: greatest number of seconds between two attempts to connect to a failing shard.
    """

    def __init__(
        self,
        state_machine: ShardStateMachine,
        stats: PollStats,
        connect: Callable[[ShardPollState], None],
        schedule: Callable[[ShardPollState, float], None],
        interval: Callable[[ShardPollState], float],
        report: Callable[[BaseException], None],
        log_after_failures: int,
        max_backoff: float,
    ) -> None:
        self._state_machine = state_machine
        self._stats = stats
        self._connect = connect
        self._schedule = schedule
        self._interval = interval
        self._report = report
        self._log_after_failures = log_after_failures
        self._max_backoff = max_backoff

    # --- a connection that was open

    def fail_if_pending(
        self,
        state: ShardPollState,
        connection: InfoConnection[ShardPollState] | None,
        started_at: float,
    ) -> None:
        """End a poll that has timed out, unless its reply can be read now.

        Args:
            state: the shard.
            connection: its connection when the poll timed out.
            started_at: when the poll started; by now it may have ended, and the next have started.
        """
        if (
            connection is None
            or state.connection is not connection
            or state.started_at != started_at
        ):
            return
        connection.read()
        if state.connection is connection and connection.reply_pending:
            state.close_connection()
            seconds = state.limits.timeout
            self.fail(state, PollError(f"no reply to INFO within {seconds:g} s", TIMEOUT))

    def on_error_reply(self, state: ShardPollState, error: PollError) -> None:
        """The server replied to INFO with an error."""
        state.deadline = NEVER
        if error.state is ShardState.BUSY:  # the connection is good: the server will reply again
            self.fail(state, error)
        else:
            self.reconnect(state, error)

    def on_close(self, state: ShardPollState, error: PollError) -> None:
        """The connection ended."""
        state.deadline = NEVER
        never_replied = state.connection is None or state.connection.replies == 0
        state.connection = None
        state.disconnect_error = error
        state.due = NEVER
        if state.reconnected and never_replied:  # do not reconnect in a tight loop
            self._schedule(state, self._interval(state))
        else:  # a reconnect at once shows whether the server is down
            state.reconnected = True
            self._connect(state)

    def reconnect(self, state: ShardPollState, error: PollError) -> None:
        """Close the connection because of an error, and make another one."""
        state.close_connection()
        state.disconnect_error = error
        self._connect(state)

    # --- a connection that is made

    def on_connect_failure(self, state: ShardPollState, error: PollError) -> None:
        """No connection could be made."""
        if state.removed:
            return
        if state.is_transient_reset(error):
            state.reset_retried = True
            self._schedule(state, RESET_RETRY_DELAY)
        else:
            self.fail(state, error)

    def on_connect_exception(self, state: ShardPollState, error: BaseException) -> None:
        """An internal error while connecting; the shard must be tried again nevertheless."""
        state.connecting = False
        self._report(error)
        if not state.removed:
            state.close_connection()
            self.fail(state, PollError(f"{type(error).__name__}: {error}"))

    # --- outcomes

    def fail(self, state: ShardPollState, error: PollError) -> None:
        """A poll failed: it returned no INFO."""
        shard = state.shard
        state.disconnect_error, state.reset_retried = None, False
        self._stats.failures[error.reason or error.state.value] += 1
        try:
            self._state_machine.on_failure(shard, error)
            if shard.failures == self._log_after_failures:
                text = shard.last_error
                logger.warning(
                    "shard %s: %s (%d failures in a row)", shard.id, text, shard.failures
                )
        finally:  # also on an internal error: the shard must get a next poll
            state.finish_poll()
            if state.connection is not None:
                delay = self._interval(state)
            else:
                delay = state.backoff(self._max_backoff)
            self._schedule(state, delay)

    def on_reply(self, state: ShardPollState) -> None:
        """A poll succeeded, perhaps after failures."""
        shard, error = state.shard, state.disconnect_error
        if error is not None:
            state.disconnect_error, state.reset_retried = None, False
            if shard.failures == 0:
                message = f"{error.message}; connected again"
                self._state_machine.on_error(shard, message, error.reason)
        if shard.failures >= self._log_after_failures:
            logger.warning("shard %s replies again after %d failures", shard.id, shard.failures)

    def on_unexpected(self, state: ShardPollState, error: BaseException) -> None:
        """An internal error, or an exception of the user's code, while a reply was handled."""
        self._report(error)
        self._state_machine.on_error(state.shard, f"{type(error).__name__}: {error}", OTHER)
