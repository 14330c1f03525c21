"""Where patient work waits: in one line, so that all of it together takes no more than its share.

gevent may begin fifty greenlets in one turn of the event loop, and wakes all that wait for a quiet
moment in the same one. So each could do with little, and nothing else be done for long.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import gevent
import gevent.monkey
from gevent.hub import Waiter

LONGEST = 0.002  # seconds of work between two turns of the event loop
_PATIENCE = 0.01  # seconds in which others may go first; the work must end some time, too

_here: Any = gevent.monkey.get_original("threading", "local")()


def line_here() -> Line:
    """Return the line of this thread's event loop."""
    hub = gevent.get_hub()
    line: Line | None = getattr(_here, "line", None)
    if line is None or line.hub is not hub:
        line = _here.line = Line()
    return line


class Line:
    """One after the other goes on when nothing else is to be done, or has waited for long enough.

    Attributes:
        hub: of the event loop.
    """

    def __init__(self) -> None:
        hub: Any = gevent.get_hub()  # its stubs lack the priorities, and more
        self.hub = hub
        self._loop = loop = hub.loop
        self._waiting: deque[tuple[float, Waiter[float]]] = deque()  # since when
        self._quiet = loop.idle(priority=loop.MINPRI)  # while somebody waits
        self._patience: Any = None  # timer, likewise
        self._next_turn = loop.idle(priority=loop.MAXPRI)  # while this one is taken

    def begin(self) -> float:
        """Return the monotonic clock until which work may go on that begins now.

        That is now where other work waits, or has had this turn.
        """
        now = time.monotonic()
        if self._waiting or self._next_turn.active:
            return now
        self._take_turn()
        return now + LONGEST

    def wait(self) -> float:
        """Wait for one's turn; return the monotonic clock until which it lasts."""
        waiter: Waiter[float] = Waiter()
        self._waiting.append((time.monotonic(), waiter))
        if self._patience is None:
            self._quiet.start(self._go_on)
            self._go_on_after(_PATIENCE)
        return waiter.get()  # where it raises, the place stays and nobody goes on there

    def _take_turn(self) -> None:
        self._next_turn.start(self._next_turn.stop)

    def _go_on_after(self, seconds: float) -> None:
        self._patience = self._loop.timer(seconds)
        self._patience.start(self._go_on, update=True)

    def _go_on(self) -> None:
        self._patience.close()
        self._take_turn()
        until = time.monotonic() + LONGEST
        while self._waiting:
            self._waiting.popleft()[1].switch(until)
            if time.monotonic() >= until:
                break
        if self._waiting:
            waited = time.monotonic() - self._waiting[0][0]
            self._go_on_after(max(_PATIENCE - waited, 0))
        else:
            self._quiet.stop()
            self._patience = None
