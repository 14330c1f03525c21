"""Tells what failed inside zinfo itself: in the log, in the counters, and as a lifecycle event.

What servers, networks and clients do is not among it: each of that has a reason or an error code of
its own. A fault is an exception that nobody foresaw.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent

from zinfo.health.stats import Stats
from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.shards.events import EventLog
from zinfo.wire.lifecycle import FAULT

logger = logging.getLogger(__name__)

_QUIET = 1.0  # seconds after a fault of a part in which more of the same part are only counted
_LONGEST = 300  # characters of an exception's own words in an event

EVENT_LOOP = "event loop"
"""The part to which exceptions belong that reached gevent's hub."""


class InternalErrors:
    """Takes unexpected exceptions.

    Args:
        stats: `stats.faults` counts them by part.
        log: takes an event of each; it is about no shard, so its shard is "".
    """

    def __init__(self, stats: Stats, log: EventLog) -> None:
        self._stats = stats
        self._log = log
        self._told: dict[str, float] = {}  # when a fault of a part was last told
        self._untold: Counter[str] = Counter()  # those of a part since then

    def report(self, part: str, error: BaseException) -> None:
        """Log, count and tell a fault of a part that goes on.

        One that comes back thousands of times a second must not fill the disk: those within a
        second of the last that was told are counted, and their number is told with the next.
        """
        now = time.monotonic()
        if now - self._told.get(part, -math.inf) < _QUIET:
            self._stats.faults[part] += 1
            self._untold[part] += 1
            return
        self._told[part] = now
        untold = self._untold.pop(part, 0)
        more = f" (and {untold} more since the last that was told)" if untold else ""
        logger.error("unexpected error: %s%s", part, more, exc_info=error)
        self._tell(part, error, more)

    def record_crash(self, part: str, error: BaseException) -> None:
        """Count and tell a fault, such as a death, that was logged where it was seen."""
        self._tell(part, error)

    def _tell(self, part: str, error: BaseException, more: str = "") -> None:
        self._stats.faults[part] += 1
        words = " ".join(str(error).split())[:_LONGEST]
        message = f"{type(error).__name__}: {words}" if words else type(error).__name__
        self._log.emit("", FAULT, reason=part, message=message + more)


def handle_hub_errors(faults: InternalErrors) -> Callable[[], None]:
    """Have exceptions that reach gevent's hub reported, not only printed.

    They come from callbacks of the event loop and from greenlets that nobody waits for. What ends a
    process, such as KeyboardInterrupt, goes the hub's own way.

    Returns:
        What gives the hub back.
    """
    hub: Any = gevent.get_hub()
    original = hub.handle_error

    def handle_error(context: object, kind: Any, value: Any, trace: Any) -> None:
        try:
            error = value if isinstance(value, BaseException) else kind(value)
            not_ours = (*hub.NOT_ERROR, *hub.SYSTEM_ERROR)
            if context is not None and not isinstance(error, not_ours):
                faults.report(EVENT_LOOP, error)
                return
        except FOREIGN_ERRORS:
            logger.exception("an error of the event loop cannot be reported")
        original(context, kind, value, trace)

    hub.handle_error = handle_error

    def give_back() -> None:
        if hub.handle_error is handle_error:
            del hub.handle_error

    return give_back
