"""Reports unexpected exceptions of the poller: counts them, and passes them on to the program."""

from __future__ import annotations

from typing import Protocol

from zinfo.health.internal_errors import InternalErrors
from zinfo.health.stats import PollStats
from zinfo.loop.foreign_errors import FOREIGN_ERRORS


class ExceptionEvent(Protocol):
    """Receives exceptions, as a gevent AsyncResult does."""

    def set_exception(self, exception: BaseException) -> object:
        """Receive an exception."""


class ExceptionReport:
    """Counts exceptions, and sets them on the event of the program that embeds the poller.

    Args:
        stats: `errors` is written.
        faults: counts and publishes internal errors.

    Attributes:
        event: receives the exceptions; None for nothing.
    """

    def __init__(self, stats: PollStats, faults: InternalErrors) -> None:
        self.event: ExceptionEvent | None = None
        self._stats = stats
        self._faults = faults

    def report(self, error: BaseException) -> None:
        """Report an exception; does not raise."""
        self._stats.errors += 1
        self._faults.report("poller", error)
        if self.event is None:
            return
        try:
            self.event.set_exception(error)
        except FOREIGN_ERRORS as event_error:
            self._faults.report("exception event", event_error)
