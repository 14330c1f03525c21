"""Pacing: how much of a core the tables of all pages together may take."""

from __future__ import annotations

import time
from typing import Final

from zinfo.loop.yielding import CooperativeYield

INTERVAL: Final = 1.0
"""Least seconds between two readings of a table."""

CPU_SHARE: Final = 0.1
"""Greatest part of a core that reading and encoding take, however many shards there are."""


class Turn:
    """One turn, in which each table is read once; counts the CPU time of this work alone.

    Other greenlets run while it yields; their time does not count.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._yielder = CooperativeYield(low_priority=True)
        self._cpu = 0.0
        self._since = time.thread_time()

    def yield_point(self) -> None:
        """Yield to the event loop if the work has run for long enough."""
        if not self._yielder.is_due:
            return
        self._cpu += time.thread_time() - self._since
        self._yielder.maybe_yield()
        self._since = time.thread_time()

    def pause(self) -> float:
        """Return the seconds until the next turn; the work has ended."""
        took = time.monotonic() - self._began
        return max(INTERVAL - took, INTERVAL / 2, self.pause_for_cpu())

    def pause_for_cpu(self) -> float:
        """Return the seconds of pause that the CPU time of the work requires."""
        cpu = self._cpu + time.thread_time() - self._since
        return max(cpu / CPU_SHARE - (time.monotonic() - self._began), 0.0)
