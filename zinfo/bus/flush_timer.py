"""FlushTimer: sends the batches that wait, at the end of a tick."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final

import gevent

from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.loop.yielding import YIELD_INTERVAL

logger = logging.getLogger(__name__)

TICK: Final = 0.01
"""Longest time that a delta waits for further ones, in seconds."""


class FlushTimer:
    """Calls a function at the end of a tick, in a callback of the event loop.

    After a pause of at least a tick, the first tick ends with the current iteration of the event
    loop: a quiet daemon delays no delta, and the replies of one iteration are sent together.

    Args:
        flush: sends what waits, up to a given monotonic clock; returns whether all was sent.
        report: called with an exception that `flush` has raised.

    Attributes:
        is_set: whether a tick has begun.
    """

    def __init__(
        self, flush: Callable[[float], bool], report: Callable[[BaseException], object]
    ) -> None:
        self._flush = flush
        self._report = report
        self._loop: Any = gevent.get_hub().loop  # gevent's stubs lack the watchers
        # A timer that repeats, because only `again` starts it with its whole delay each time:
        # `start` after `stop` continues with what was left of the last delay.
        self._timer = self._loop.timer(TICK, TICK)
        self._next_iteration = self._loop.timer(0)
        self._last = 0.0  # monotonic clock at the end of the last tick
        self.is_set = False
        self._is_closed = False

    def set(self) -> None:
        """End the tick soon, if that is not due already."""
        if self.is_set:
            return
        self.is_set = True
        if time.monotonic() - self._last >= TICK:
            self._loop.run_callback(self._run)
        else:
            self._timer.again(self._run)

    def close(self) -> None:
        """Call `flush` no more."""
        self._is_closed = True
        for timer in (self._timer, self._next_iteration):
            timer.stop()
            timer.close()

    def _run(self) -> None:
        if self._is_closed:
            return
        self.is_set = False
        self._timer.stop()
        now = time.monotonic()
        try:
            is_done = self._flush(now + YIELD_INTERVAL)
        except FOREIGN_ERRORS as error:  # must not reach the event loop
            self._report(error)
            return
        self._last = time.monotonic()
        if not is_done and not self.is_set:
            self.is_set = True
            self._next_iteration.start(self._run)
