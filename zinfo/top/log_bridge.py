"""What goes wrong inside stands among the events: a log on the screen would be drawn over."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from zinfo.top.feed import Feed
from zinfo.wire.lifecycle import FAULT


class _Notes(logging.Handler):
    def __init__(self, feed: Feed) -> None:
        super().__init__(logging.WARNING)
        self._feed = feed

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            text += f": {record.exc_info[1]!r}"
        self._feed.note(FAULT, text)


@contextlib.contextmanager
def noting(feed: Feed) -> Iterator[None]:
    """Have zinfo's warnings noted as events for the `with` block.

    Args:
        feed: takes them.
    """
    handler, log = _Notes(feed), logging.getLogger("zinfo")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
