"""A timer wheel: items grouped by the tick in which they expire. Pure: the time is a parameter.

Thousands of items share a tick, so it costs less than a heap of items (G. Varghese and A. Lauck,
"Hashed and hierarchical timing wheels", SOSP 1987; here one level, and a heap of the slots in use).
"""

from __future__ import annotations

import heapq
import math
from typing import Generic, TypeVar

T = TypeVar("T")


class TimerWheel(Generic[T]):
    """Items by the time at which they expire. The same item may be in it more than once.

    Args:
        tick: seconds that an item may expire late, at most; it never expires early.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._slots: dict[int, list[T]] = {}
        self._order: list[int] = []  # heap of the slots in use

    def add(self, item: T, when: float) -> None:
        """Have `item` expire at `when`, in seconds of a monotonic clock."""
        number = math.ceil(when / self._tick)
        slot = self._slots.get(number)
        if slot is None:
            self._slots[number] = [item]
            heapq.heappush(self._order, number)
        else:
            slot.append(item)

    def take(self, now: float) -> list[T]:
        """Remove and return the items that have expired by `now`, ordered by time."""
        newest = math.floor(now / self._tick)
        taken: list[T] = []
        while self._order and self._order[0] <= newest:
            taken += self._slots.pop(heapq.heappop(self._order))
        return taken

    def next_time(self) -> float:
        """Return when the next item expires; infinity if the wheel is empty."""
        return self._order[0] * self._tick if self._order else math.inf

    def next_count(self) -> int:
        """Return how many items expire at `next_time()`."""
        return len(self._slots[self._order[0]]) if self._order else 0
