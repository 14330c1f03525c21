"""Bounds what is done in one turn of the event loop, so that nothing else waits long for its own.

When thousands of servers answer at the same moment, or each answer is much work, epoll hands over
all of them at once. What is over the bound waits here, in order.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent

from zinfo.loop.foreign_errors import FAILURES

_LONGEST = 0.002  # seconds


class Turn:
    """Knows how long the present turn has taken, and keeps what has to wait for the next one.

    Args:
        report: called with an exception that something raised which had waited.
    """

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        self._report = report
        hub: Any = gevent.get_hub()  # its stubs lack some of this
        self._loop = hub.loop
        # Called once a turn. What `run_callback` takes may be called fifty times in one.
        self._next = self._loop.idle(priority=self._loop.MAXPRI)
        self._waiting: deque[Callable[[], None]] = deque()
        self._done = 0  # of those that waited, since `room` was last asked
        self._loop_time = math.nan  # the event loop's time in the turn that was last seen
        self._seen_at = math.nan  # monotonic clock when that turn was first seen

    def is_over(self) -> bool:
        """Return whether what comes now has to wait: the turn was long, or others wait already."""
        if self._waiting:
            return True
        # The loop's time only says which turn this is: libev takes it from the wall clock, libuv
        # from a monotonic clock, in whole milliseconds.
        loop_time = self._loop.now()
        if loop_time != self._loop_time:
            self._loop_time = loop_time
            self._seen_at = time.monotonic()
            return False
        return time.monotonic() - self._seen_at > _LONGEST

    def room(self) -> float:
        """Return how many things may be begun now that will end here.

        Where something waits, half of what has been done of that since the last call: the line
        becomes shorter with each turn, and nobody who is due waits for its end.
        """
        if not self._waiting:
            self._done = 0
            return math.inf
        room, self._done = divmod(self._done, 2)
        return room

    def postpone(self, callback: Callable[[], None]) -> None:
        """Have something called in a later turn, in the event loop and in order."""
        self._waiting.append(callback)
        if not self._next.active:
            self._next.start(self._go_on)

    def close(self) -> None:
        """Call nothing any more."""
        self._waiting.clear()
        self._next.stop()

    def _go_on(self) -> None:
        until = time.monotonic() + _LONGEST
        while self._waiting and time.monotonic() < until:
            self._done += 1
            try:
                self._waiting.popleft()()
            except FAILURES as error:  # the event loop must never see one
                self._report(error)
        if not self._waiting:
            self._next.stop()
