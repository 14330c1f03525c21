"""Long work gives all else its turn, often enough and no more often."""

from __future__ import annotations

import time
from typing import Any

import gevent

_LONGEST = 0.002  # seconds of work between two turns of the event loop
_PATIENCE = 0.01  # seconds in which others may go first; the work must end some time, too
_SILENT: Any = False  # documented, but its stubs want an exception


class Breath:
    """Counts the time of a piece of work from its construction, and from each turn of others.

    Args:
        patient: whether the work waits until nothing else is to be done, polls above all, or a
            hundredth of a second is over; one turn of all others is enough for it otherwise.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self._patient = patient
        self._until = time.monotonic() + _LONGEST

    def take(self) -> None:
        """Let the event loop have its turn, where this has worked for long enough.

        `sleep(0)` would come back before that turn, again and again, for as long as Python's switch
        interval.
        """
        if time.monotonic() < self._until:
            return
        loop: Any = gevent.get_hub().loop  # whose stubs lack the priorities
        if self._patient:
            with gevent.Timeout(_PATIENCE, _SILENT):
                gevent.idle(priority=loop.MINPRI)
        else:
            gevent.idle(priority=loop.MAXPRI)
        self._until = time.monotonic() + _LONGEST
