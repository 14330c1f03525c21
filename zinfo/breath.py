"""Long work gives all else its turn, often enough and no more often."""

from __future__ import annotations

import time
from typing import Any

import gevent

_LONGEST = 0.002  # seconds of work between two turns of the event loop


class Breath:
    """Counts the time of a piece of work from its construction, and from each turn of others."""

    def __init__(self) -> None:
        self._until = time.monotonic() + _LONGEST

    def take(self) -> None:
        """Let the event loop have one turn, polls and all, where this has worked for long enough.

        `sleep(0)` would come back before that turn, again and again, for as long as Python's switch
        interval.
        """
        if time.monotonic() >= self._until:
            loop: Any = gevent.get_hub().loop  # whose stubs lack MAXPRI
            gevent.idle(priority=loop.MAXPRI)
            self._until = time.monotonic() + _LONGEST
