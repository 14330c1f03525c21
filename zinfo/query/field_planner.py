"""FieldPlanner: which fields are followed, that is read from each reply when it arrives.

At that moment the reply is in the processor's cache, so that reading a few numbers costs a tenth of
what it costs later. It is worth it only for fields that clients request again and again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from zinfo.info.cells import MAX_CELLS
from zinfo.shards.followed_rows import FollowedRows

FORGET_AFTER = 60.0
"""Seconds without a request after which a field is no longer followed."""

_MAX_REQUESTED = 256  # fields whose last request is remembered


class FieldPlanner:
    """Has the fields followed that were requested twice within a minute, until one has passed.

    Only fields count that have numbers, so that a client cannot make each poll search names that no
    shard has.

    Args:
        rows: in which the fields are followed.
        clock: monotonic, seconds.
    """

    def __init__(self, rows: FollowedRows, clock: Callable[[], float] = time.monotonic) -> None:
        self._rows = rows
        self._clock = clock
        self._requested: dict[str, float] = {}  # field to time of its last request, oldest first
        rows.on_expiry = lambda: self._follow(self.followed)

    @property
    def followed(self) -> list[str]:
        """The fields that are followed now."""
        return list(self._rows.fields.places) if self._rows.fields else []

    def record(self, names: Iterable[str]) -> None:
        """Take note of a request.

        Args:
            names: the fields of the request, each `is_simple_field`, that have numbers.
        """
        now, wanted = self._clock(), dict.fromkeys(self.followed)
        for name in names:
            last = self._requested.pop(name, -math.inf)
            self._requested[name] = now
            if now - last <= FORGET_AFTER and len(wanted) < MAX_CELLS:
                wanted[name] = None
        while len(self._requested) > _MAX_REQUESTED:
            del self._requested[next(iter(self._requested))]
        self._follow(wanted)

    def _follow(self, wanted: Iterable[str]) -> None:
        """Follow the wanted fields that were requested within the last minute."""
        oldest = self._clock() - FORGET_AFTER
        times = {name: self._requested.get(name, -math.inf) for name in wanted}
        names = [name for name, last in times.items() if last >= oldest]
        if names != self.followed:
            self._rows.follow(names)
        until = min(map(times.__getitem__, names), default=math.inf)
        self._rows.expires_at = until + FORGET_AFTER
