"""Reports unexpected exceptions of zinfo itself in the log, the counters and the lifecycle events.

Failures of servers, networks and clients are not reported here: each of them has a reason or an
error code of its own. Counters and events call an unexpected exception a fault.
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

_QUIET_SECONDS = 1.0  # after a logged fault of a part, in which its further faults are only counted
_MAX_TEXT = 300  # characters of an exception's text in an event

EVENT_LOOP = "event loop"
"""The part that exceptions are counted under which reach gevent's hub."""


class InternalErrors:
    """Logs, counts and publishes unexpected exceptions.

    Args:
        stats: `stats.faults` counts them by part.
        log: takes a `fault` event for each; its shard is "", as it concerns no shard.
    """

    def __init__(self, stats: Stats, log: EventLog) -> None:
        self._stats = stats
        self._log = log
        self._logged_at: dict[str, float] = {}  # time of the last logged fault of each part
        self._suppressed: Counter[str] = Counter()  # faults of each part since then

    def report(self, part: str, error: BaseException) -> None:
        """Log, count and publish a fault of a part that keeps running.

        A fault may occur thousands of times a second and must not fill the disk. Those within a
        second of the last logged one are only counted; the next log line gives their number.
        """
        now = time.monotonic()
        if now - self._logged_at.get(part, -math.inf) < _QUIET_SECONDS:
            self._stats.faults[part] += 1
            self._suppressed[part] += 1
            return
        self._logged_at[part] = now
        suppressed = self._suppressed.pop(part, 0)
        more = f" (and {suppressed} more since the last report)" if suppressed else ""
        logger.error("unexpected error: %s%s", part, more, exc_info=error)
        self._publish(part, error, more)

    def record_crash(self, part: str, error: BaseException) -> None:
        """Count and publish a fault, such as a crash, that the caller has logged."""
        self._publish(part, error)

    def _publish(self, part: str, error: BaseException, more: str = "") -> None:
        self._stats.faults[part] += 1
        text = " ".join(str(error).split())[:_MAX_TEXT]
        message = f"{type(error).__name__}: {text}" if text else type(error).__name__
        self._log.emit("", FAULT, reason=part, message=message + more)


def handle_hub_errors(faults: InternalErrors) -> Callable[[], None]:
    """Report exceptions that reach gevent's hub, which would only print them.

    They are raised in callbacks of the event loop and in greenlets that no other greenlet joins.
    KeyboardInterrupt and SystemExit are left to the hub.

    Returns:
        A function that restores the hub's own handler.
    """
    hub: Any = gevent.get_hub()
    original = hub.handle_error

    def handle_error(context: object, kind: Any, value: Any, trace: Any) -> None:
        try:
            error = value if isinstance(value, BaseException) else kind(value)
            ignored = (*hub.NOT_ERROR, *hub.SYSTEM_ERROR)
            if context is not None and not isinstance(error, ignored):
                faults.report(EVENT_LOOP, error)
                return
        except FOREIGN_ERRORS:
            logger.exception("an error of the event loop cannot be reported")
        original(context, kind, value, trace)

    hub.handle_error = handle_error

    def restore() -> None:
        if hub.handle_error is handle_error:
            del hub.handle_error

    return restore
