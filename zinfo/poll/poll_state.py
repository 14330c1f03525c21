"""What the poller knows of one shard: its connection, its times, and its last failure."""

from __future__ import annotations

import math
import random
from typing import TypeAlias

import gevent.event

from zinfo.poll.client_name import ClientNaming
from zinfo.poll.connection import InfoConnection
from zinfo.poll.errors import OTHER, PollError
from zinfo.poll.handshake import HandshakeResult
from zinfo.poll.hot_fields import HotFields
from zinfo.poll.limits import PollLimits
from zinfo.poll.peer_protocol import Diagnosis
from zinfo.poll.scheduler import NEVER
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.shard import RedisShard

RESET_RETRY_DELAY = 0.05  # seconds until a server that reset a new connection is tried once more

_MIN_BACKOFF = 0.1  # seconds before a failed shard is tried again, whatever its interval

PollConnection: TypeAlias = "InfoConnection[ShardPollState]"
"""The connection of one shard."""


class ShardPollState:
    """One polled shard; only the scheduler writes `due`, `deadline` and `deadline_queued`.

    Args:
        shard: the shard.
        limits: timeouts and size limits of its polls.
    """

    __slots__ = (
        "client_naming",
        "connecting",
        "connection",
        "deadline",
        "deadline_queued",
        "diagnosis",
        "disconnect_error",
        "due",
        "hot_fields",
        "limits",
        "options",
        "poll_done",
        "reconnected",
        "removed",
        "reset_retried",
        "sections_problem",
        "shard",
        "started_at",
    )

    def __init__(self, shard: RedisShard, limits: PollLimits) -> None:
        self.shard = shard
        self.limits = limits
        self.options = shard.redis_conn  # the newest that the poller has taken over
        self.due = self.deadline = NEVER
        self.deadline_queued = False
        self.hot_fields = HotFields()
        self.connection: PollConnection | None = None
        self.client_naming = ClientNaming()
        self.connecting = False  # waits for a greenlet of the connect pool, or runs in one
        # Why the last connection ended, until the next one is open.
        self.disconnect_error: PollError | None = None
        self.reset_retried = False  # the reconnect after that was reset, and is tried once more
        self.diagnosis: Diagnosis | None = None  # since the last connection
        self.reconnected = False  # at once, after a connection ended
        self.removed = False
        self.started_at = -math.inf  # monotonic clock at the start of the last poll
        self.sections_problem = ""  # what of the chosen sections the server does not support
        self.poll_done: gevent.event.Event | None = None  # set when the current poll ends

    def close_connection(self) -> None:
        """Close the connection, if there is one, and schedule no poll on it."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self.due = NEVER

    def renew_connection(self) -> bool:
        """Close the connection, so that the next poll makes a new one.

        Returns:
            Whether the caller has to connect now: a poll was under way, or none is scheduled.
        """
        connection = self.connection
        if connection is None:
            return False
        if connection.reply_pending or self.due == NEVER:
            self.deadline = NEVER
            self.close_connection()
            return True
        connection.close()
        self.connection = None
        return False

    def take_options(self, limits: PollLimits) -> bool:
        """Take over changed options of the shard.

        Args:
            limits: timeouts and size limits of its polls from now on.

        Returns:
            Whether the caller has to connect now: a new connection is needed, or the shard is down
            and may wait for seconds to be tried again.
        """
        options, before = self.shard.redis_conn, self.limits.sections
        same_server = options.accepts_servers_of(self.options)
        self.options, self.limits = options, limits
        if self.connection is not None:
            return (limits.sections != before or not same_server) and self.renew_connection()
        if not self.shard.failures or self.connecting:
            return False
        self.due = NEVER
        return True

    def matches(self, result: HandshakeResult) -> bool:
        """Return whether a handshake was made with the present sections and rules for servers."""
        options = self.shard.redis_conn
        return result.sections == self.limits.sections and (
            not isinstance(options, ConnectionOptions)
            or options.accepts_servers_of(result.redis_conn)
        )

    def finish_poll(self) -> None:
        """Wake the callers that wait for the end of the current poll."""
        if self.poll_done is not None:
            self.poll_done.set()
            self.poll_done = None

    def is_transient_reset(self, error: PollError) -> bool:
        """Return whether a failed connect may only mean that the server is being killed.

        A killed server loses its connections a moment before its listening socket. A connection
        reset in this window is not yet evidence of failure.
        """
        return (
            self.disconnect_error is not None and error.reason == OTHER and not self.reset_retried
        )

    def backoff(self, maximum: float) -> float:
        """Return the seconds until a failed shard is tried again, with jitter.

        Args:
            maximum: limit in seconds of the delay, which doubles with each failure in a row.
        """
        first = max(self.shard.MIN_POLLING_INTERVAL, _MIN_BACKOFF)
        bounded = min(maximum, first * 2 ** min(self.shard.failures - 1, 16))
        return float(bounded * random.uniform(0.5, 1))
