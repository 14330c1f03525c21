"""A timer wheel: items by the tick in which their time comes. Pure: the time is a parameter.

Cheaper than a heap of items, since thousands share a tick (G. Varghese and A. Lauck, "Hashed and
hierarchical timing wheels", SOSP 1987; here one level, with a heap of the ticks that are in use).
"""

from __future__ import annotations

import heapq
import math
from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Items by time. An item may be in it more than once; what that means is the caller's matter.

    Args:
        tick: seconds that an item may come late, at most; it never comes early.
    """

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._slots: dict[int, list[T]] = {}
        self._order: list[int] = []  # heap of the slots in use

    def add(self, item: T, when: float) -> None:
        """Have `item` come at `when`, in seconds of a steady clock."""
        number = math.ceil(when / self._tick)
        slot = self._slots.get(number)
        if slot is None:
            self._slots[number] = [item]
            heapq.heappush(self._order, number)
        else:
            slot.append(item)

    def take(self, now: float) -> list[T]:
        """Remove and return what has come by `now`, in the order of time."""
        newest = math.floor(now / self._tick)
        taken: list[T] = []
        while self._order and self._order[0] <= newest:
            taken += self._slots.pop(heapq.heappop(self._order))
        return taken

    def next_time(self) -> float:
        """Return when the next item comes; infinity where there is none."""
        return self._order[0] * self._tick if self._order else math.inf

    def next_count(self) -> int:
        """Return how many items come then."""
        return len(self._slots[self._order[0]]) if self._order else 0
