"""Greenlets that connect: together they wait until nothing else is to be done, and take turns.

A hundred greenlets that each work for a fraction of a millisecond may all be ready in one turn of
the event loop: no bound on one of them keeps that turn short. And when thousands of shards are to
be connected, those that are connected are to be polled in time.
"""

from __future__ import annotations

import time
from typing import Any

import gevent
import gevent.monkey

from zinfo.loop.fair_queue import Line

_here: Any = gevent.monkey.get_original("threading", "local")()


def connecting_share() -> Share:
    """Return the share of all that connect by this thread's event loop."""
    hub = gevent.get_hub()
    share: Share | None = getattr(_here, "share", None)
    if share is None or share.hub is not hub:
        share = _here.share = Share()
    return share


class Share:
    """What greenlets of one kind may do: 2 ms of a turn of the event loop, a fifth of a busy one.

    Attributes:
        hub: of the event loop.
    """

    def __init__(self) -> None:
        self.hub = gevent.get_hub()
        self._line = Line()  # not that of long answers: each would wait for a hundred of these

    def take(self) -> None:
        """Go on at once, or where others have had this turn or wait already, after them.

        To be called before each piece of work, from a greenlet.
        """
        if self._line.begin() <= time.monotonic():
            self._line.wait()
