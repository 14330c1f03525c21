"""FieldPlanner: which fields are read from each reply when it arrives.

At that moment the reply is in the processor's cache, so that reading a few numbers costs a tenth of
what it costs later. It is worth it only for fields that clients request again and again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from zinfo.info.cells import MAX_CELLS, FieldPlan
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.shards.source import SnapshotSource

FORGET_AFTER = 60.0
"""Seconds without a request after which a field is no longer read when a reply arrives."""

_MAX_REQUESTED = 256  # fields whose last request is remembered
_MAX_REPLY = 1 << 20  # bytes of a reply; reading a larger one would delay other polls


class FieldPlanner:
    """Plans the fields that were requested twice within a minute, and forgets them after one.

    Only fields count that have numbers, so that a client cannot make each poll search names that no
    shard has.

    Args:
        source: delivers the snapshots, whose `cells` it sets.
        clock: monotonic, seconds.

    Attributes:
        plan: the present plan; None if no field is in it. Cells of an earlier plan are not used.
    """

    def __init__(self, source: SnapshotSource, clock: Callable[[], float] = time.monotonic) -> None:
        self.plan: FieldPlan | None = None
        self._clock = clock
        self._requested: dict[str, float] = {}  # field to time of its last request, oldest first
        self._planned_until = math.inf  # when the plan has to be checked
        source.subscribe_snapshots(self._on_snapshot)

    def record(self, names: Iterable[str]) -> None:
        """Take note of a request.

        Args:
            names: the fields of the request, each `is_simple_field`, that have numbers.
        """
        now, wanted = self._clock(), dict.fromkeys(self.plan.places if self.plan else ())
        for name in names:
            last = self._requested.pop(name, -math.inf)
            self._requested[name] = now
            if now - last <= FORGET_AFTER and len(wanted) < MAX_CELLS:
                wanted[name] = None
        while len(self._requested) > _MAX_REQUESTED:
            del self._requested[next(iter(self._requested))]
        self._set_plan(wanted)

    def _on_snapshot(
        self, _shard: RedisShard, _previous: Snapshot | None, snapshot: Snapshot
    ) -> None:
        if self.plan is None:
            return
        if snapshot.at > self._planned_until:
            self._set_plan(self.plan.places)
        if self.plan is not None and 0 < len(snapshot.raw) <= _MAX_REPLY:
            snapshot.cells = self.plan.read(snapshot.raw)

    def _set_plan(self, wanted: Iterable[str]) -> None:
        """Plan the wanted fields that were requested within the last minute."""
        oldest = self._clock() - FORGET_AFTER
        times = {name: self._requested.get(name, -math.inf) for name in wanted}
        names = [name for name, last in times.items() if last >= oldest]
        if names != list(self.plan.places if self.plan else ()):
            self.plan = FieldPlan(names) if names else None
        self._planned_until = min(map(times.__getitem__, names), default=math.inf) + FORGET_AFTER
