"""Connecting, in greenlets, bounded in number: a thousand dead shards take no more than a few."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent.pool

from zinfo.loop.foreign_errors import FOREIGN_ERRORS

T = TypeVar("T")

_KEPT_FREE = 4  # one place in so many is not for items that have failed before


class Connector(Generic[T]):
    """Runs `connect` for items in the order in which they came, a bounded number at a time.

    Items that have failed before come after all others and never take all places: each may take
    seconds to fail again, and a healthy server that lost its connection must not wait for that.

    Args:
        connect: called with an item in a greenlet, where it may wait.
        most: calls under way at the same time, at most.
        failed: called with an item and the exception that `connect` raised for it.
    """

    def __init__(
        self,
        connect: Callable[[T], None],
        most: int,
        failed: Callable[[T, BaseException], None],
    ) -> None:
        self._connect = connect
        self._failed = failed
        self._most = most
        self._most_doubtful = max(1, most - most // _KEPT_FREE)
        self._hopeful: deque[T] = deque()
        self._doubtful: deque[T] = deque()
        self._greenlets = gevent.pool.Group()
        self._under_way = self._doubtful_under_way = 0

    def add(self, item: T, *, doubtful: bool = False) -> None:
        """Have `connect(item)` called as soon as there is room.

        Args:
            item: what to connect.
            doubtful: whether it has failed before.
        """
        (self._doubtful if doubtful else self._hopeful).append(item)
        self._fill()

    def close(self) -> None:
        """End what is under way, forget what waits."""
        self._hopeful.clear()
        self._doubtful.clear()
        # An error of the socket's own, which redis-py cleans up after; at gevent's GreenletExit it
        # would leave its socket open.
        self._greenlets.kill(ConnectionAbortedError("stopped"))

    def _fill(self) -> None:
        while self._under_way < self._most:
            if self._hopeful:
                item, doubtful = self._hopeful.popleft(), False
            elif self._doubtful and self._doubtful_under_way < self._most_doubtful:
                item, doubtful = self._doubtful.popleft(), True
            else:
                return
            # Counted here: a greenlet is in its group until a while after its end.
            self._under_way += 1
            self._doubtful_under_way += doubtful
            self._greenlets.spawn(self._run, item, doubtful)

    def _run(self, item: T, doubtful: bool) -> None:
        try:
            self._connect(item)
        except FOREIGN_ERRORS as error:  # or those that wait would wait for ever
            self._failed(item, error)
        finally:
            self._under_way -= 1
            self._doubtful_under_way -= doubtful
            self._fill()
