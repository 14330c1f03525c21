"""What the poller knows of one shard: its connection, its times, and how it last failed."""

from __future__ import annotations

import math
import random

import gevent.event

from zinfo.poll.connection import Link
from zinfo.poll.errors import OTHER, PollError
from zinfo.poll.hot_fields import Essentials
from zinfo.poll.limits import Limits
from zinfo.poll.scheduler import NEVER
from zinfo.shards.shard import RedisShard

DYING = 0.05  # seconds until a server that resets new connections is asked whether it lives

_LEAST_BACKOFF = 0.1  # seconds before a failed shard is tried again, whatever its intervals


class Polled:
    """One shard under watch; `due`, `deadline` and `watched` are the timetable's.

    Args:
        shard: the shard.
        limits: bounds of its polls.
    """

    __slots__ = (
        "asked_at",
        "connecting",
        "deadline",
        "done",
        "doubted",
        "due",
        "essentials",
        "limits",
        "link",
        "lost",
        "reconnected",
        "removed",
        "shard",
        "watched",
    )

    def __init__(self, shard: RedisShard, limits: Limits) -> None:
        self.shard = shard
        self.limits = limits
        self.due = self.deadline = NEVER
        self.watched = False
        self.essentials = Essentials()
        self.link: Link[Polled] | None = None
        self.connecting = False  # waits for a connecting greenlet, or is in one
        self.lost: PollError | None = None  # why the last link ended, until the next one stands
        self.doubted = False  # whether the first try after that was reset, and is tried once more
        self.reconnected = False  # at once, after a link was lost
        self.removed = False
        self.asked_at = -math.inf  # monotonic clock of the last poll's start
        self.done: gevent.event.Event | None = None  # set when the poll under way ends

    def close_link(self) -> None:
        """Close the connection, if there is one, and have no poll begun on it."""
        if self.link is not None:
            self.link.close()
            self.link = None
        self.due = NEVER

    def end(self) -> None:
        """Tell those who wait for the poll under way that it has ended."""
        if self.done is not None:
            self.done.set()
            self.done = None

    def is_dying(self, error: PollError) -> bool:
        """Return whether a failure to connect may only mean that the server is being killed.

        It loses its connections a moment before its listening socket: who connects in between is
        reset, which says nothing yet.
        """
        return self.lost is not None and error.reason == OTHER and not self.doubted

    def backoff(self, longest: float) -> float:
        """Return the seconds until a shard that failed is tried again, with jitter.

        Args:
            longest: bound of what grows with each failure in a row.
        """
        first = max(self.shard.MIN_POLLING_INTERVAL, _LEAST_BACKOFF)
        bounded = min(longest, first * 2 ** min(self.shard.failures - 1, 16))
        return float(bounded * random.uniform(0.5, 1))
