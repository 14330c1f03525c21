"""Which copy of a shard is shown where several daemons poll it. Pure.

A shard is shown as the daemon with the newest INFO has it. As two daemons poll at different times,
that would be another one each second, and rates between the INFO of two daemons are inexact. So a
copy stays as long as its daemon answers, and the shard answers it, and its INFO is not much older
than the newest.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

from zinfo.top.daemon_reader import DaemonReading
from zinfo.top.record import Reading, Status
from zinfo.views.rows import ANSWERING, Copy

MARGIN = 2.0
"""Seconds by which another copy has to be newer, so that it takes over."""


class Merged(NamedTuple):
    """All shards of a fleet, each once.

    Attributes:
        chosen: endpoint of the daemon whose copy is shown, by shard.
        statuses: by shard.
        readings: the newest INFO of each shard that was polled.
        stale: shards that only silent daemons have.
        copies: the copies of each shard, by shard.
    """

    chosen: dict[str, str]
    statuses: dict[str, Status]
    readings: list[Reading]
    stale: frozenset[str]
    copies: dict[str, tuple[Copy, ...]]


def merge(
    found: Mapping[str, DaemonReading],
    answering: Collection[str],
    former: Mapping[str, str],
    now: float,
    *,
    complete: bool,
) -> Merged:
    """Return the shards of all daemons.

    Args:
        found: the newest reading of each daemon, by endpoint.
        answering: endpoints of the daemons that answer.
        former: the copies that were shown before, by shard.
        now: the time.
        complete: whether the daemons that answer have all shards: then what only others have was
            removed, or polled by another slice since.
    """
    owners: dict[str, list[str]] = {}
    for endpoint in found:
        if endpoint in answering or not complete:
            for shard in found[endpoint].table.statuses:
                owners.setdefault(shard, []).append(endpoint)
    chosen, statuses, copies, stale = {}, {}, {}, set()
    for shard, endpoints in owners.items():
        current = [one for one in endpoints if one in answering]
        if not current:
            stale.add(shard)
        of_each = {one: _status(found[one], shard, now) for one in current or endpoints}
        best = _choose(of_each, former.get(shard))
        chosen[shard], statuses[shard] = best, of_each[best]
        copies[shard] = tuple(
            Copy(found[one].node or one, one == best, one in answering) for one in endpoints
        )
    readings = [
        reading
        for endpoint, one in found.items()
        for reading in one.table.readings
        if chosen.get(reading.shard) == endpoint
    ]
    return Merged(chosen, statuses, readings, frozenset(stale), copies)


def _status(reading: DaemonReading, shard: str, now: float) -> Status:
    status = reading.table.statuses[shard]
    return status._replace(age=status.age + max(0.0, now - reading.at))


def _choose(copies: Mapping[str, Status], former: str | None) -> str:
    """Return the endpoint whose copy is shown."""
    best = min(copies, key=lambda one: copies[one].age)
    if former is None or former not in copies:
        return best
    margin = MARGIN if copies[former].state in ANSWERING else 0.0
    return former if _age(copies[former]) <= _age(copies[best]) + margin else best


def _age(status: Status) -> float:
    return status.age if math.isfinite(status.age) else math.inf
