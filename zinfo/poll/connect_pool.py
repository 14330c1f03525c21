"""Connects in a bounded number of greenlets, so that a thousand dead shards do not block others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent.pool

from zinfo.loop.foreign_errors import FOREIGN_ERRORS

T = TypeVar("T")

_RESERVED_PART = 4  # one greenlet in this many is reserved for items that have not failed before


class ConnectPool(Generic[T]):
    """Calls `connect` for items in the order of their arrival, a bounded number at a time.

    Items that have failed before come after all others and never occupy all greenlets. Each may
    take seconds to fail again, and a healthy server that lost its connection must not wait for
    that.

    Args:
        connect: called with an item in a greenlet, where it may block.
        max_greenlets: the most calls of `connect` at the same time.
        on_exception: called with an item and the exception that `connect` raised for it.
    """

    def __init__(
        self,
        connect: Callable[[T], None],
        max_greenlets: int,
        on_exception: Callable[[T, BaseException], None],
    ) -> None:
        self._connect = connect
        self._on_exception = on_exception
        self._max = max_greenlets
        self._max_failed = max(1, max_greenlets - max_greenlets // _RESERVED_PART)
        self._new: deque[T] = deque()
        self._failed: deque[T] = deque()  # items that have failed before
        self._greenlets = gevent.pool.Group()
        self._running = self._running_failed = 0

    def add(self, item: T, *, failed_before: bool = False) -> None:
        """Call `connect(item)` as soon as a greenlet is free.

        Args:
            item: what to connect.
            failed_before: whether its last connection attempt failed.
        """
        (self._failed if failed_before else self._new).append(item)
        self._fill()

    def close(self) -> None:
        """Kill the greenlets and drop the queued items."""
        self._new.clear()
        self._failed.clear()
        # redis-py closes its socket on a socket error, but not on gevent's GreenletExit.
        self._greenlets.kill(ConnectionAbortedError("stopped"))

    def _fill(self) -> None:
        while self._running < self._max:
            if self._new:
                item, failed_before = self._new.popleft(), False
            elif self._failed and self._running_failed < self._max_failed:
                item, failed_before = self._failed.popleft(), True
            else:
                return
            # Counted here: a greenlet stays in its group for a while after its end.
            self._running += 1
            self._running_failed += failed_before
            self._greenlets.spawn(self._run, item, failed_before)

    def _run(self, item: T, failed_before: bool) -> None:
        try:
            self._connect(item)
        except FOREIGN_ERRORS as error:  # the queued items must go on
            self._on_exception(item, error)
        finally:
            self._running -= 1
            self._running_failed -= failed_before
            self._fill()
