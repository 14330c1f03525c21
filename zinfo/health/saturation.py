"""Notices when more polls are due than one core can do, says so, and by how much.

Nothing is dropped then: what is due waits its turn in order, so that all intervals stretch alike.
"""

from __future__ import annotations

import logging

import gevent

from zinfo.health.stats import Stats
from zinfo.shards.events import EventLog
from zinfo.wire.lifecycle import SATURATED

logger = logging.getLogger(__name__)

_WINDOW = 1.0  # seconds between two looks
_LOOKS = 3  # looks in a row that must agree
_BEGINS = 1.25  # how far intervals must be stretched to call it saturated
_ENDS = 1.1  # and how far at most to call it over


class Saturation:
    """Watches by how much polling intervals are stretched.

    Args:
        stats: the counters to look at; `stats.stretch` and `stats.saturated` are written.
        log: takes the event of each change; it is about no shard, so its shard is "".
    """

    def __init__(self, stats: Stats, log: EventLog) -> None:
        self._stats = stats
        self._log = log
        self._late = self._wanted = 0.0
        self._agree = 0

    def run(self) -> None:
        """Look for ever; to be run in a greenlet."""
        while True:
            gevent.sleep(_WINDOW)
            self.look()

    def look(self) -> None:
        """Compare what was wanted since the last look with what was done."""
        poll = self._stats.poll
        late, wanted = poll.lateness.sum - self._late, poll.wanted_seconds - self._wanted
        if late == 0 < wanted:
            return  # answers came, but none began: overload comes in waves, and the next look tells
        self._late, self._wanted = poll.lateness.sum, poll.wanted_seconds
        self._stats.stretch = stretch = 1 + late / wanted if wanted > 0 else 1.0
        other = stretch < _ENDS if self._stats.saturated else stretch > _BEGINS
        self._agree = self._agree + 1 if other else 0
        if self._agree == _LOOKS:
            self._agree = 0
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
