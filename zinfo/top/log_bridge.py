"""Shows zinfo's own log warnings as events of the view.

A log line on the terminal would be drawn over.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from zinfo.top.feed import Feed
from zinfo.wire.lifecycle import FAULT


class LogBridge(logging.Handler):
    """Adds each warning to a feed's events.

    Args:
        feed: gets the events.
    """

    def __init__(self, feed: Feed) -> None:
        super().__init__(logging.WARNING)
        self._feed = feed

    def emit(self, record: logging.LogRecord) -> None:
        """Add one record."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            text += f": {record.exc_info[1]!r}"
        self._feed.add_event(FAULT, text)


@contextlib.contextmanager
def warnings_as_events(feed: Feed) -> Iterator[None]:
    """Add zinfo's warnings to a feed's events for the `with` block.

    Args:
        feed: gets the events.
    """
    handler, log = LogBridge(feed), logging.getLogger("zinfo")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
