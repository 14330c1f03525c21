"""The updates of a FleetSubscriber that a Subscriber does not have, as frozen dataclasses. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from zinfo.client.fleet_coverage import MissingSlice
from zinfo.client.updates import Delta, Gap, Snapshot
from zinfo.wire.lifecycle import Event


@dataclass(frozen=True, slots=True)
class Changeover:
    """From here on, the updates of a shard are those of this run of this daemon.

    It comes when a shard is first received, and when the shard is received from another daemon, or
    from the same one after its restart. Revisions before and after it cannot be compared. Missed
    events of the shard follow, if any, and a Snapshot.

    Attributes:
        shard: id of the shard.
        node: name of the daemon.
        epoch: random number that identifies this run of the daemon.
    """

    shard: str
    node: str
    epoch: int


@dataclass(frozen=True, slots=True)
class StaleShards:
    """No daemon has a current copy of these shards: what was received of them may be out of date.

    For each of them follows, as soon as a daemon has a current copy, a Snapshot (without INFO in
    `kinds`, a Changeover), or the Event `removed`.

    Attributes:
        shards: their ids.
    """

    shards: frozenset[str]


@dataclass(frozen=True, slots=True)
class MissingSlices:
    """So many daemons are silent that shards may exist of which nothing is received.

    Attributes:
        missing: the slices and daemons that are missing; empty when all shards are covered again.
    """

    missing: tuple[MissingSlice, ...]


FleetUpdate: TypeAlias = "Snapshot | Delta | Event | Changeover | Gap | StaleShards | MissingSlices"
"""What a FleetSubscriber gives."""
