"""Connecting, in greenlets, bounded in number: a thousand dead shards take no more than a few."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent.pool

T = TypeVar("T")


class Connector(Generic[T]):
    """Runs `connect` for items in the order in which they came, a bounded number at a time.

    Args:
        connect: called with an item in a greenlet, where it may wait.
        most: calls under way at the same time, at most.
        failed: called with an item and the exception that `connect` raised for it.
    """

    def __init__(
        self,
        connect: Callable[[T], None],
        most: int,
        failed: Callable[[T, Exception], None],
    ) -> None:
        self._connect = connect
        self._failed = failed
        self._most = most
        self._waiting: deque[T] = deque()
        self._greenlets = gevent.pool.Group()

    def add(self, item: T) -> None:
        """Have `connect(item)` called as soon as there is room."""
        self._waiting.append(item)
        if len(self._greenlets) < self._most:
            self._greenlets.spawn(self._work)

    def close(self) -> None:
        """End what is under way, forget what waits."""
        self._waiting.clear()
        # An error of the socket's own, which redis-py cleans up after; at gevent's GreenletExit it
        # would leave its socket open.
        self._greenlets.kill(ConnectionAbortedError("stopped"))

    def _work(self) -> None:
        while self._waiting:
            item = self._waiting.popleft()
            try:
                self._connect(item)
            except Exception as error:  # or those that wait would wait for ever
                self._failed(item, error)
