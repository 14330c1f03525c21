"""Detects and reports that more polls are due than one CPU core can do.

No poll is dropped then: polls that are due wait in order, so that all intervals stretch by the same
factor.
"""

from __future__ import annotations

import logging

import gevent

from zinfo.health.stats import Stats
from zinfo.shards.events import EventLog
from zinfo.wire.lifecycle import SATURATED

logger = logging.getLogger(__name__)

_PERIOD = 1.0  # seconds between two checks
_CHECKS = 3  # checks in a row that must agree before the state changes
_SATURATED_ABOVE = 1.25  # stretch of the intervals above which the poller is saturated
_RECOVERED_BELOW = 1.1  # stretch below which it no longer is


class Saturation:
    """Measures by how much polling intervals are stretched.

    Args:
        stats: the counters; `stats.stretch` and `stats.saturated` are written.
        log: takes the event of each change; its shard is "", as it concerns no shard.
    """

    def __init__(self, stats: Stats, log: EventLog) -> None:
        self._stats = stats
        self._log = log
        self._lateness = self._wanted = 0.0
        self._agreeing = 0

    def run(self) -> None:
        """Check for ever; to be run in a greenlet."""
        while True:
            gevent.sleep(_PERIOD)
            self.check()

    def check(self) -> None:
        """Compare the lateness of polls since the last check with their intervals."""
        poll = self._stats.poll
        lateness, wanted = poll.lateness.sum - self._lateness, poll.wanted_seconds - self._wanted
        if lateness == 0 < wanted:
            return  # replies were read, but no poll started: overload comes in waves
        self._lateness, self._wanted = poll.lateness.sum, poll.wanted_seconds
        self._stats.stretch = stretch = 1 + lateness / wanted if wanted > 0 else 1.0
        changed = (
            stretch < _RECOVERED_BELOW if self._stats.saturated else stretch > _SATURATED_ABOVE
        )
        self._agreeing = self._agreeing + 1 if changed else 0
        if self._agreeing == _CHECKS:
            self._agreeing = 0
            self._change(stretch)

    def _change(self, stretch: float) -> None:
        self._stats.saturated = not self._stats.saturated
        if self._stats.saturated:
            message = (
                "saturated: more is due than one core can do, "
                f"intervals take {stretch:.1f} times as long"
            )
        else:
            message = "no longer saturated: polls keep their intervals again"
        logger.warning("%s", message)
        old, new = ("no", "yes") if self._stats.saturated else ("yes", "no")
        self._log.emit("", SATURATED, old, new, message=message)
