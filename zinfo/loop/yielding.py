"""Long work gives all else its turn, often enough and no more often."""

from __future__ import annotations

import time
from typing import Any

import gevent

from zinfo.loop.fair_queue import LONGEST, line_here


class Breath:
    """Counts the time of a piece of work from its construction, and from each turn of others.

    Args:
        patient: whether the work waits until nothing else is to be done, polls above all, or a
            hundredth of a second is over, and shares its time with all other patient work; one turn
            of all others is enough for it otherwise.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self._line = line_here() if patient else None
        self._until = self._line.begin() if self._line else time.monotonic() + LONGEST

    def take(self) -> None:
        """Let the event loop have its turn, where this has worked for long enough.

        Patient work does so first of all, too: others of its kind may have had the present turn.

        `sleep(0)` would come back before that turn, again and again, for as long as Python's switch
        interval.
        """
        if time.monotonic() < self._until:
            return
        if self._line is not None:
            self._until = self._line.wait()
        else:
            loop: Any = gevent.get_hub().loop  # whose stubs lack the priorities
            gevent.idle(priority=loop.MAXPRI)
            self._until = time.monotonic() + LONGEST
