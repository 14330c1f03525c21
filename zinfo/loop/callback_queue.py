"""Spreads callbacks over several iterations of the event loop, so that no iteration is long.

When thousands of servers reply at the same moment, epoll returns all of their sockets at once. What
does not fit into 2 ms of an iteration is queued here. The callbacks run in the event loop itself
and cannot switch greenlets; for work in greenlets see `zinfo.loop.yielding`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent

from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.loop.urgent_work import UrgentWork
from zinfo.loop.yielding import YIELD_INTERVAL


class CallbackQueue:
    """Measures the current iteration of the event loop, and queues callbacks for later ones.

    Args:
        report: called with an exception that a queued callback raised.
        urgent: runs between callbacks, queued or not; None for none.
    """

    def __init__(
        self, report: Callable[[BaseException], None], urgent: UrgentWork | None = None
    ) -> None:
        self._report = report
        self._urgent = urgent or UrgentWork()
        hub: Any = gevent.get_hub()  # gevent's stubs lack some of this
        self._loop = hub.loop
        # An idle watcher runs once an iteration; callbacks of `run_callback` may run fifty times.
        self._watcher = self._loop.idle(priority=self._loop.MAXPRI)
        self._callbacks: deque[Callable[[], None]] = deque()
        self._completed = 0  # queued callbacks that ran since `capacity` was last called
        self._iteration = math.nan  # the loop's own time, which identifies the last iteration seen
        self._started = math.nan  # monotonic clock when that iteration was first seen

    def budget_spent(self) -> bool:
        """Return whether new work must be deferred: callbacks are queued, or 2 ms have passed.

        Urgent work may run before it returns.
        """
        self._urgent.count()
        if self._callbacks:
            return True
        # The loop's time only identifies the iteration: libev takes it from the wall clock, libuv
        # from a monotonic clock, in whole milliseconds.
        iteration = self._loop.now()
        if iteration != self._iteration:
            self._iteration = iteration
            self._started = time.monotonic()
            return False
        return time.monotonic() - self._started > YIELD_INTERVAL

    def capacity(self) -> float:
        """Return how many new items of work may be started whose results end up in this queue.

        While callbacks are queued, allow half as many new items as were completed since the last
        call, so that the backlog shrinks while new work still gets through.
        """
        if not self._callbacks:
            self._completed = 0
            return math.inf
        capacity, self._completed = divmod(self._completed, 2)
        return capacity

    def defer(self, callback: Callable[[], None]) -> None:
        """Call `callback` in a later iteration of the event loop, after those queued before it."""
        self._callbacks.append(callback)
        if not self._watcher.active:
            self._watcher.start(self._run)

    def close(self) -> None:
        """Drop the queued callbacks."""
        self._callbacks.clear()
        self._watcher.stop()

    def _run(self) -> None:
        until = time.monotonic() + YIELD_INTERVAL
        while self._callbacks and time.monotonic() < until:
            self._urgent.count()
            self._completed += 1
            try:
                self._callbacks.popleft()()
            except FOREIGN_ERRORS as error:  # must not reach the event loop
                self._report(error)
        if not self._callbacks:
            self._watcher.stop()
