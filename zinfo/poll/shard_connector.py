"""Connects shards: one handshake at a time for each, within the limit of file descriptors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from zinfo.health import fd_limits
from zinfo.health.stats import PollStats
from zinfo.poll.connect_pool import ConnectPool
from zinfo.poll.errors import TIMEOUT, PollError
from zinfo.poll.handshake import HandshakeResult, connect_and_poll
from zinfo.poll.peer_protocol import diagnose
from zinfo.poll.poll_state import ShardPollState
from zinfo.shards.connection_options import ConnectionOptions


class ShardConnector:
    """Connects shards in greenlets and reports the result of each handshake.

    Args:
        max_connecting: the most connections being made at the same time.
        stats: `connecting` and `most_connecting` are written.
        on_connected: called with a shard and its connection, or with INFO as a dict from a client
            whose socket cannot be taken over. Not called for a shard that was removed meanwhile.
        on_failure: called with a shard and the error; also for a shard that was removed.
        on_exception: called with a shard and an unexpected exception, also of the two others.
    """

    def __init__(
        self,
        max_connecting: int,
        stats: PollStats,
        on_connected: Callable[[ShardPollState, HandshakeResult | dict[str, Any]], None],
        on_failure: Callable[[ShardPollState, PollError], None],
        on_exception: Callable[[ShardPollState, BaseException], None],
    ) -> None:
        self._stats = stats
        self._on_connected = on_connected
        self._on_failure = on_failure
        self._pool: ConnectPool[ShardPollState] = ConnectPool(
            self._run, max_connecting, on_exception
        )

    def connect(self, state: ShardPollState) -> None:
        """Connect a shard, unless that is under way."""
        if state.connecting or state.removed:
            return
        state.connecting = True
        self._pool.add(state, failed_before=state.shard.failures > 0)

    def close(self) -> None:
        """Kill the greenlets; nothing more is connected."""
        self._pool.close()

    def _run(self, state: ShardPollState) -> None:
        if state.removed:
            return
        stats = self._stats
        stats.connecting += 1
        stats.most_connecting = max(stats.most_connecting, stats.connecting)
        try:
            self._connect(state)
        finally:
            stats.connecting -= 1

    def _connect(self, state: ShardPollState) -> None:
        state.started_at = time.monotonic()
        options = state.shard.redis_conn
        try:
            result = connect_within_fd_limit(state)
        except PollError as error:
            explained = _explain(state, error)
            state.connecting = False
            if isinstance(options, ConnectionOptions) and options != state.shard.redis_conn:
                self.connect(state)  # they have changed meanwhile, perhaps a wrong password
            else:
                self._on_failure(state, explained)
            return
        state.connecting, state.diagnosis = False, None
        if not state.removed:
            self._on_connected(state, result)
        elif isinstance(result, HandshakeResult):
            result.sock.close()


def _explain(state: ShardPollState, error: PollError) -> PollError:
    """Return the error, or what the server speaks instead, if that explains it."""
    shard = state.shard
    if error.reason == TIMEOUT and shard.snapshot is not None and not shard.failures:
        return error  # it has replied to INFO before: nothing delays the report that it is down
    if state.removed or fd_limits.exhausted():  # removed also when the poller stops
        return error
    state.diagnosis = diagnose(shard.redis_conn, error, state.diagnosis, time.monotonic())
    return error if state.diagnosis is None else state.diagnosis.found or error


def connect_within_fd_limit(state: ShardPollState) -> HandshakeResult | dict[str, Any]:
    """Connect a shard, as `connect_and_poll` does, and leave the last file descriptors to others.

    Raises:
        PollError: it cannot be connected, or there are too few file descriptors.
    """
    if fd_limits.exhausted():
        raise _out_of_file_descriptors()
    result = connect_and_poll(state.shard.redis_conn, state.limits, state.client_naming)
    # Checked again: other greenlets were connecting at the same time.
    if isinstance(result, HandshakeResult) and fd_limits.is_reserved(result.sock.fileno()):
        result.sock.close()
        raise _out_of_file_descriptors()
    return result


def _out_of_file_descriptors() -> PollError:
    return PollError(f"out of file descriptors: {fd_limits.limit()} are allowed")
