"""What all screens read of the model, read once for each redraw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property

from zinfo.top.source import Source
from zinfo.views.filtering import Known
from zinfo.views.problems import Problem, daemon_facts, find_problems
from zinfo.views.rows import FeedState, Row
from zinfo.wire.lifecycle import Event

_EVENTS = 200  # of the daemon itself, in which problems are found


class Look:
    """All shards at one moment.

    Attributes:
        now: the time, by the model's clock.
        rows: all shards.
        feed: whether they are current.
        known: the names that a filter may use; those of fields are empty until they are read.
    """

    def __init__(
        self,
        now: float,
        rows: Sequence[Row],
        feed: FeedState,
        known: Known,
        daemon_events: Sequence[Event] = (),
    ) -> None:
        self.now = now
        self.rows = rows
        self.feed = feed
        self.known = known
        self._daemon_events = daemon_events

    @cached_property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with shards and with zinfo, the worst first."""
        return find_problems(self.rows, daemon_facts(self._daemon_events, time.time()))

    @cached_property
    def labels(self) -> dict[str, set[str]]:
        """The values of each label."""
        found: dict[str, set[str]] = {}
        for row in self.rows:
            for name, text in row.labels.items():
                found.setdefault(name, set()).add(text)
        return found


class Looker:
    """Reads the model.

    Args:
        source: owns the model.

    Attributes:
        look: what was read last.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.look = Look(source.now(), (), FeedState(), Known())

    def read(self) -> Look:
        """Read the model again."""
        with self._source.locked() as model:
            now = self._source.now()
            self.look = Look(
                now, model.rows(now), model.feed(now), model.known(), model.events(_EVENTS, "")
            )
        return self.look
