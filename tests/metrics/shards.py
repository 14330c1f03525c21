"""The metrics of one shard that has a given INFO, without a server."""

from __future__ import annotations

from tests.metrics.texts import Samples
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection
from zinfo.metrics.shard_metrics import add_shards
from zinfo.security.rights import ALL_RIGHTS, Rights
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot


def metrics_of(*replies: bytes | str | Snapshot, rights: Rights = ALL_RIGHTS) -> str:
    """Return the metrics of shards with these INFO replies, in one scrape.

    The only shard has no label `instance`; several have their place.
    """
    selection = Selection()
    scrape = Scrape(selection, rights=rights)
    for place, reply in enumerate(replies):
        shard = RedisShard(place, "redis://127.0.0.1:1")
        shard.state = ShardState.UP
        raw = reply.encode() if isinstance(reply, str) else reply
        shard.store(raw if isinstance(raw, Snapshot) else Snapshot(raw, 1, 1000.0, 0.0), 0.0)
        add_shards(scrape, selection, [shard], rights, instance=len(replies) > 1)
    return b"".join(scrape.pieces()).decode()


def of(found: Samples, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Return the samples of one metric by their sorted labels."""
    return {tuple(sorted(labels)): value for (one, labels), value in found.items() if one == name}


def key(**labels: str) -> tuple[tuple[str, str], ...]:
    """Return labels in the form that `of` has."""
    return tuple(sorted(labels.items()))
