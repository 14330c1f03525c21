"""Makes long work yield to the event loop, and low-priority work share one time budget.

A `CooperativeYield` counts the time of one piece of work and yields when it has run for 2 ms. That
bounds one greenlet, not many: gevent may start fifty of them in one iteration of the event loop,
and wakes all that wait for an idle loop in the same iteration. Greenlets of one kind therefore wait
in a `FairQueue`, which gives all of them together 2 ms of an iteration.

An iteration of a busy loop takes only a few milliseconds, and starts a bounded number of polls.
Work that has 2 ms of each one would take half of the loop's time, and polls would be late. Between
two slices all kinds of work therefore leave the loop 8 ms, as long as it has other work. That is
CPU time: where other processes use the core as well, the loop gets only a part of each second.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import gevent
import gevent.monkey
from gevent.hub import Waiter

YIELD_INTERVAL = 0.002
"""Seconds that one kind of work may take in one iteration of the event loop."""

_MAX_WAIT = 0.01  # seconds after which queued work runs although the event loop is busy

_PAUSE = 0.008  # seconds of CPU time between two slices while the loop has other work
_MAX_PAUSE = 0.1  # seconds after which a pause ends in any case
_MIN_DELAY = 0.001  # seconds of the shortest timer; libuv counts in milliseconds

_queues: Any = gevent.monkey.get_original("threading", "local")()  # one event loop per OS thread


class FairQueue:
    """Greenlets that wait for a slice of time: until the event loop is idle, or for a pause.

    They run in the order in which they came. All of them together have `YIELD_INTERVAL` seconds of
    one iteration of the event loop.

    Args:
        pause: seconds of CPU time that other work of the loop has between two of these slices. With
            8 ms, the greenlets have at most a fifth of a busy loop's time.

    Attributes:
        hub: gevent's hub, whose event loop this is for.
    """

    def __init__(self, pause: float = _PAUSE) -> None:
        hub: Any = gevent.get_hub()  # gevent's stubs lack the priorities, among others
        self._pause = pause
        self._paused_until = 0.0  # CPU time of this thread
        self._paused_at_most_until = 0.0  # monotonic clock
        self.hub = hub
        self._loop = loop = hub.loop
        self._waiting: deque[tuple[float, Waiter[float]]] = deque()  # with the time of arrival
        self._idle = loop.idle(priority=loop.MINPRI)  # active while greenlets wait
        self._timer: Any = None  # the bound on the oldest one's wait, while greenlets wait
        self._this_iteration = loop.idle(priority=loop.MAXPRI)  # active until the next iteration

    def start_slice(self) -> float:
        """Return the monotonic clock until which work that starts now may run.

        It has passed already where other greenlets wait, or have had a slice of this iteration, or
        during the pause after that.
        """
        if self._waiting or self._this_iteration.active or self._pause_left():
            return time.monotonic()
        return self._use_this_iteration()

    def wait_for_slice(self) -> float:
        """Wait behind the other greenlets; return the monotonic clock at which the slice ends."""
        waiter: Waiter[float] = Waiter()
        self._waiting.append((time.monotonic(), waiter))
        if self._timer is None:
            self._idle.start(self._run_waiting)
            self._start_timer(max(_MAX_WAIT, self._pause_left()))
        # A greenlet killed here leaves its waiter in the queue; to switch to that does nothing.
        return waiter.get()

    def acquire_slice(self) -> None:
        """Return at once if a slice can start now, else wait for one.

        To be called before each piece of work that is shorter than `YIELD_INTERVAL`.
        """
        if self.start_slice() <= time.monotonic():
            self.wait_for_slice()

    def _pause_left(self) -> float:
        """Return the seconds until the next slice may start although the loop has other work."""
        left = self._paused_until - time.thread_time()
        return max(min(left, self._paused_at_most_until - time.monotonic()), 0.0)

    def _use_this_iteration(self) -> float:
        """Return the monotonic clock at which the slice ends."""
        self._this_iteration.start(self._this_iteration.stop)
        self._start_pause()
        return time.monotonic() + YIELD_INTERVAL

    def _start_pause(self) -> None:
        if self._pause:
            self._paused_until = time.thread_time() + self._pause
            self._paused_at_most_until = time.monotonic() + _MAX_PAUSE

    def _start_timer(self, seconds: float) -> None:
        self._timer = self._loop.timer(seconds)
        self._timer.start(self._on_timer, update=True)

    def _on_timer(self) -> None:
        left = self._pause_left()
        if left:
            self._timer.close()
            self._start_timer(max(left, _MIN_DELAY))
        else:
            self._run_waiting()

    def _run_waiting(self) -> None:
        self._timer.close()
        until = self._use_this_iteration()
        while self._waiting:
            self._waiting.popleft()[1].switch(until)
            if time.monotonic() >= until:
                break
        self._start_pause()
        if self._waiting:
            waited = time.monotonic() - self._waiting[0][0]
            self._start_timer(max(_MAX_WAIT - waited, self._pause_left()))
        else:
            self._idle.stop()
            self._timer = None


def fair_queue_of_hub(kind: str = "low_priority") -> FairQueue:
    """Return the queue that all work of one kind shares in this thread's event loop.

    Connecting has a queue of its own: it takes hundreds of short slices, and a long reply to a
    query would wait for all of them. So has what takes seconds and for which no client waits,
    `background`.
    """
    queue: FairQueue | None = getattr(_queues, kind, None)
    if queue is None or queue.hub is not gevent.get_hub():
        queue = FairQueue()
        setattr(_queues, kind, queue)
    return queue


class CooperativeYield:
    """Lets one piece of work yield to the event loop every 2 ms, and not more often.

    The time counts from the construction, and again from each yield.

    Args:
        low_priority: whether the work waits in the `FairQueue` of all low-priority work, and shares
            its time with that; otherwise it yields for one iteration of the event loop.
        background: the same, but it shares its time with other background work.
    """

    def __init__(self, *, low_priority: bool = False, background: bool = False) -> None:
        kind = "background" if background else "low_priority" if low_priority else None
        self._queue = None if kind is None else fair_queue_of_hub(kind)
        self._until = (
            self._queue.start_slice() if self._queue else time.monotonic() + YIELD_INTERVAL
        )

    @property
    def is_due(self) -> bool:
        """Whether `maybe_yield` would yield now."""
        return time.monotonic() >= self._until

    def maybe_yield(self) -> None:
        """Yield to the event loop if this work has run for long enough.

        The first call of low-priority or background work yields, too, if other work of the kind
        has used the current iteration.

        `gevent.sleep(0)` would not do: it returns before the loop polls its watchers, again and
        again for as long as Python's switch interval.
        """
        if time.monotonic() < self._until:
            return
        if self._queue is not None:
            self._until = self._queue.wait_for_slice()
        else:
            loop: Any = gevent.get_hub().loop  # gevent's stubs lack the priorities
            gevent.idle(priority=loop.MAXPRI)
            self._until = time.monotonic() + YIELD_INTERVAL
