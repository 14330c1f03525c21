"""One timer for all shards: starts the polls that are due and ends those that time out."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import gevent

from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.poll.timer_wheel import TimerWheel

NEVER = math.inf

# Seconds. Items that are due within one tick are started together: to wake up for each poll costs
# more than the poll, and a start that is this much late does no harm.
_TICK = 0.01
_LONG_TICK = 0.025  # used while only a few items are due in the next tick
_FEW_ITEMS = 25
_MIN_DELAY = 0.001  # seconds of the shortest timer; libuv counts in milliseconds
_BATCH = 30  # items started in one callback; then the loop handles replies and queries


class Timed(Protocol):
    """An item of a scheduler, which alone writes `due`, `deadline` and `deadline_queued`.

    Attributes:
        due: monotonic clock at which the item is to be started; infinity for never.
        deadline: monotonic clock at which it times out; infinity for never.
        deadline_queued: whether the wheel of deadlines holds the item. The time from an item's
            start to its deadline does not shrink, so that the wheel is never too late for it; see
            `PollScheduler.shorten_deadlines`.
    """

    due: float
    deadline: float
    deadline_queued: bool


T = TypeVar("T", bound=Timed)


class PollScheduler(Generic[T]):
    """Calls back when items are due, and when they time out.

    All calls are made from callbacks of the event loop and must not block.

    Args:
        on_due: called with an item that is due, the monotonic clock, and the seconds it is late.
        on_timeout: called with an item whose deadline has passed.
        report: called with an exception that one of the two raised.
        capacity: returns how many items may be started now; the others stay queued, in order.
    """

    def __init__(
        self,
        on_due: Callable[[T, float, float], None],
        on_timeout: Callable[[T], None],
        report: Callable[[BaseException], None],
        capacity: Callable[[], float] = lambda: NEVER,
    ) -> None:
        self._on_due = on_due
        self._on_timeout = on_timeout
        self._report = report
        self._capacity = capacity
        # Items stay in the wheels when they are rescheduled or done. When an entry expires, the
        # item's own times say whether the entry is out of date.
        self._due: TimerWheel[T] = TimerWheel(_TICK)
        self._deadlines: TimerWheel[T] = TimerWheel(_TICK)
        self._ready: deque[T] = deque()
        self._timer: Any = None
        self._wake_time = NEVER
        self._closed = False

    def schedule(self, item: T, now: float, delay: float) -> None:
        """Start `item` `delay` seconds after `now`, instead of when it was scheduled before."""
        item.due = due = now + delay
        if delay > 0:
            self._due.add(item, due)
        else:
            self._ready.append(item)
        if due < self._wake_time:
            self._wake_at(due, now)

    def set_deadline(self, item: T, now: float, timeout: float) -> None:
        """Have `item` time out unless its deadline is set to `NEVER` within `timeout` seconds."""
        item.deadline = deadline = now + timeout
        if item.deadline_queued:  # most replies come long before: one entry serves many polls
            return
        item.deadline_queued = True
        self._deadlines.add(item, deadline)
        if deadline < self._wake_time:
            self._wake_at(deadline, now)

    def shorten_deadlines(self, item: T) -> None:
        """Have later calls of `set_deadline` for `item` honour a shorter timeout than before.

        Its entry in the wheel may come too late for them, so that they add another one.
        """
        item.deadline_queued = False

    def close(self) -> None:
        """Stop; nothing is called any more."""
        self._closed = True
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.close()
            self._timer = None
        self._wake_time = NEVER

    def _wake_at(self, when: float, now: float) -> None:
        if self._closed or when == NEVER:
            return
        self._stop_timer()
        self._wake_time = when
        delay = when - now
        self._timer = gevent.get_hub().loop.timer(max(delay, _MIN_DELAY) if delay > 0 else 0)
        self._timer.start(self._tick)

    def _tick(self) -> None:
        self._stop_timer()
        try:
            self._run(time.monotonic())
        except FOREIGN_ERRORS as error:  # without its timer the scheduler would stop for good
            self._report(error)
            now = time.monotonic()
            self._wake_at(now + _LONG_TICK, now)

    def _run(self, now: float) -> None:
        for item in self._deadlines.take(now):
            deadline = item.deadline
            if now < deadline < NEVER:  # of a poll that started after this entry was added
                self._deadlines.add(item, deadline)
                continue
            item.deadline_queued = False
            if deadline <= now:
                item.deadline = NEVER
                self._call(self._on_timeout, item)
        ready = self._ready
        ready.extend(self._due.take(now))
        count = int(min(_BATCH, len(ready), self._capacity())) if ready else 0
        for _ in range(count):
            item = ready.popleft()
            due = item.due
            if due <= now:
                item.due = NEVER
                self._call(self._on_due, item, now, now - due)
        next_time = min(self._due.next_time(), self._deadlines.next_time())
        # Not decided by the number started just now: that may be the rest of a batch, or none if
        # the event loop's timer was a little early.
        if self._due.next_count() < _FEW_ITEMS:
            next_time = max(next_time, now + _LONG_TICK)
        self._wake_at(now if ready else next_time, time.monotonic())

    def _call(self, function: Callable[..., None], *args: object) -> None:
        try:
            function(*args)
        except FOREIGN_ERRORS as error:  # must not reach the event loop
            self._report(error)
