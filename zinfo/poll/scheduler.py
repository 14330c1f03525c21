"""One timer of the event loop for all shards: begins what is due, finds what is overdue."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import gevent

from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.poll.timer_wheel import Wheel

NEVER = math.inf

# Seconds; what is due within it is begun together. To wake up for each poll by itself costs more
# than the poll, and one that starts this much late harms nobody.
_TICK = 0.01
_LONG_TICK = 0.025  # where few are due in the next tick, so that it is worth it
_FEW = 25
_LEAST = 0.001  # seconds of the shortest timer; libuv counts in milliseconds
_BATCH = 30  # items begun in one callback; then replies and queries have their turn


class Timed(Protocol):
    """An item of a timetable; `due`, `deadline` and `watched` are the timetable's to write.

    Attributes:
        due: monotonic clock at which it is to be begun; infinity for never.
        deadline: monotonic clock by which it must be done; infinity where it need not.
        watched: whether a look at the deadline is to come. An item's own time between begin and
            deadline never shrinks, so that no look can be too late.
    """

    due: float
    deadline: float
    watched: bool


T = TypeVar("T", bound=Timed)


class Timetable(Generic[T]):
    """Calls back when items are due, and when they are not done in time.

    Everything is called in callbacks of the event loop, so nothing may wait there.

    Args:
        begin: called with an item that is due, the monotonic clock, and by how much it is late.
        overdue: called with an item that was not done in time.
        report: called with an exception that one of the two raised.
        room: says how many may be begun for now; what is due beyond that waits in order.
    """

    def __init__(
        self,
        begin: Callable[[T, float, float], None],
        overdue: Callable[[T], None],
        report: Callable[[BaseException], None],
        room: Callable[[], float] = lambda: NEVER,
    ) -> None:
        self._begin = begin
        self._overdue = overdue
        self._report = report
        self._room = room
        # Items stay in the wheels when they are rescheduled or done: their own times tell, when
        # they come, that it was not for this.
        self._due: Wheel[T] = Wheel(_TICK)
        self._deadlines: Wheel[T] = Wheel(_TICK)
        self._ready: deque[T] = deque()
        self._timer: Any = None
        self._wake_time = NEVER
        self._closed = False

    def schedule(self, item: T, now: float, delay: float) -> None:
        """Have `item` begun `delay` seconds after `now`; an earlier call for it is forgotten."""
        item.due = due = now + delay
        if delay > 0:
            self._due.add(item, due)
        else:
            self._ready.append(item)
        if due < self._wake_time:
            self._wake_at(due, now)

    def expect(self, item: T, now: float, timeout: float) -> None:
        """Have `item` found overdue, unless its deadline is set to `NEVER` within `timeout`."""
        item.deadline = deadline = now + timeout
        if item.watched:  # by far most are done long before: one look serves many of them
            return
        item.watched = True
        self._deadlines.add(item, deadline)
        if deadline < self._wake_time:
            self._wake_at(deadline, now)

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
        self._timer = gevent.get_hub().loop.timer(max(delay, _LEAST) if delay > 0 else 0)
        self._timer.start(self._tick)

    def _tick(self) -> None:
        self._stop_timer()
        try:
            self._take_what_is_due(time.monotonic())
        except FOREIGN_ERRORS as error:  # without its timer nothing would ever be due again
            self._report(error)
            now = time.monotonic()
            self._wake_at(now + _LONG_TICK, now)

    def _take_what_is_due(self, now: float) -> None:
        for item in self._deadlines.take(now):
            deadline = item.deadline
            if now < deadline < NEVER:  # begun again since
                self._deadlines.add(item, deadline)
                continue
            item.watched = False
            if deadline <= now:
                item.deadline = NEVER
                self._call(self._overdue, item)
        ready = self._ready
        ready.extend(self._due.take(now))
        begun = int(min(_BATCH, len(ready), self._room())) if ready else 0
        for _ in range(begun):
            item = ready.popleft()
            due = item.due
            if due <= now:
                item.due = NEVER
                self._call(self._begin, item, now, now - due)
        next_time = min(self._due.next_time(), self._deadlines.next_time())
        # Not by what was due just now: that may be the rest of a batch, or nothing at all where the
        # event loop's timer was a little early.
        if self._due.next_count() < _FEW:
            next_time = max(next_time, now + _LONG_TICK)
        self._wake_at(now if ready else next_time, time.monotonic())

    def _call(self, function: Callable[..., None], *args: object) -> None:
        try:
            function(*args)
        except FOREIGN_ERRORS as error:  # the event loop must never see one
            self._report(error)
