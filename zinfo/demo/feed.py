"""Reads shards and events from the daemon, through the model of `zinfo top`."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

from zinfo.errors import NoAnswerError
from zinfo.top.event_log import MAX_EVENTS
from zinfo.top.feed import STALE_AFTER, Feed
from zinfo.views.expressions import DATABASES
from zinfo.views.rows import Row
from zinfo.wire.lifecycle import DOWN, UP, Event

BACK_UP = "back"
"""Counted instead of `up` for a shard that was down."""

_MAX_SHOWN_EVENTS = 200  # more than any screen has lines
_READY_SECONDS = 10.0  # for the first copy of all shards
_SIGNAL_CHECK_SECONDS = 0.1  # between two checks for a signal while waiting for it


class DemoFeed:
    """The present rows and the events so far. A context manager.

    Args:
        endpoint: the daemon's query endpoint.

    Attributes:
        rows: the shards, as of the last `update`.
        events: the newest events, oldest first.
        counts: number of events so far, by `kind_of`.
        problem: why the rows are stale; "" where they are not.
    """

    def __init__(self, endpoint: str) -> None:
        self.rows: list[Row] = []
        self.events: deque[Event] = deque(maxlen=_MAX_SHOWN_EVENTS)
        self.counts: Counter[str] = Counter()
        self.problem = ""
        self._newest = 0  # number of the newest event in `events`
        self._feed = Feed(endpoint)
        self._feed.want("demo", DATABASES)

    def __enter__(self) -> DemoFeed:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._feed.close()

    def wait_ready(self, stopping: Callable[[], bool]) -> None:
        """Wait until all shards and the first events are known, or until `stopping()`.

        Raises:
            NoAnswerError: that took too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while not stopping():
            try:
                self._feed.wait_ready(_SIGNAL_CHECK_SECONDS)
                break
            except NoAnswerError:
                if time.monotonic() > deadline:
                    raise
        while not stopping() and not self._has_history() and time.monotonic() < deadline:
            time.sleep(_SIGNAL_CHECK_SECONDS)

    def update(self) -> None:
        """Read the present rows and the events since the last update."""
        with self._feed.locked() as model:
            now = self._feed.now()
            self.rows = model.rows(now)
            state = model.feed(now)
            # Events behind a missing one wait for it, so that all are shown in order.
            events = [
                event
                for event in model.events(MAX_EVENTS)
                if self._newest < event.number <= model.events_complete_to
            ]
        if events:
            self._newest = events[-1].number
            self.events += events
            self.counts.update(map(kind_of, events))
        stale = not state.fresh and state.seconds >= STALE_AFTER
        self.problem = (state.problem or "the shards are being read again") if stale else ""

    def _has_history(self) -> bool:
        with self._feed.locked() as model:
            return model.events_complete_to > 0


def kind_of(event: Event) -> str:
    """Return an event's type; BACK_UP for the `up` of a shard that was down."""
    return BACK_UP if (event.type, event.old) == (UP, DOWN) else event.type
