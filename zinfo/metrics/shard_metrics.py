"""A live shard's part of a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from zinfo.metrics.names import Family
from zinfo.metrics.samples import UP, Sample
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection
from zinfo.security.rights import Rights
from zinfo.shards.shard import RedisShard, ShardState

_STATE: Final = Family(
    "zinfo_shard_state", "gauge", "1 for the state that the shard is in, and why it is down"
)
_AGE: Final = Family("zinfo_shard_info_age_seconds", "gauge", "since the newest INFO arrived")
_FAILURES: Final = Family("zinfo_shard_failures", "gauge", "failed polls in a row")
_ANSWERING: Final = frozenset((ShardState.UP, ShardState.LOADING))


def add_shard(
    scrape: Scrape, selection: Selection, shard: RedisShard, rights: Rights, *, instance: bool
) -> None:
    """Add a shard to a scrape.

    Of a shard that does not answer only that is told: what was known is old, and a metric has no
    way to say so.

    Args:
        scrape: takes the samples.
        selection: which of the shard's labels are told.
        shard: the shard.
        rights: of whoever asks; withheld fields are left out.
        instance: whether its id is told, as the label `instance`.
    """
    labels = selection.labels_of(shard.labels)
    if instance:
        labels.insert(0, ("instance", shard.id))
    snapshot = shard.snapshot
    if shard.state not in _ANSWERING or snapshot is None:
        scrape.add(labels, _about(shard))
        return
    fields = snapshot.all_fields()
    if rights.hidden_fields:
        fields = rights.visible_fields(fields)
    scrape.add(labels, _about(shard), fields, snapshot.time)


def _about(shard: RedisShard) -> Iterator[Sample]:
    if shard.state is not ShardState.NEW:  # of which nothing is known yet
        yield Sample(UP, (), int(shard.state in _ANSWERING))
    yield Sample(_STATE, (("state", shard.state.value), ("reason", shard.reason)), 1)
    yield Sample(_FAILURES, (), shard.failures)
    if shard.snapshot is not None:
        yield Sample(_AGE, (), max(0.0, time.monotonic() - shard.snapshot.at))
