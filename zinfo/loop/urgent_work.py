"""Runs urgent work between callbacks of the event loop that together take long.

When many sockets are readable, one iteration of the event loop runs the callbacks of all of them. A
request that arrives meanwhile would wait until the iteration has ended, and for a part of the next.
"""

from __future__ import annotations

from collections.abc import Callable

_INTERVAL = 16
"""Pieces of work between two runs. So many polls take a little less than a millisecond."""


class UrgentWork:
    """Calls one callback after every few pieces of other work.

    Attributes:
        run: the urgent work, None for none. It is called in the event loop: it must neither block
            nor raise, and return at once if there is nothing to do. It may switch to a greenlet.
    """

    __slots__ = ("_left", "run")

    def __init__(self) -> None:
        self.run: Callable[[], None] | None = None
        self._left = _INTERVAL

    def count(self) -> None:
        """Count one piece of other work that starts now, and run the urgent work if it is due."""
        self._left -= 1
        if self._left:
            return
        self._left = _INTERVAL
        if self.run is not None:
            self.run()
