"""Adds a live shard to a scrape: its INFO, and what zinfo knows about it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from zinfo.metrics.keyspace import EMPTY_DATABASE, empty_database, has_database
from zinfo.metrics.names import Family
from zinfo.metrics.samples import UP, Sample
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection
from zinfo.security.rights import Rights
from zinfo.shards.shard import RedisShard, ShardState

_STATE: Final = Family(
    "zinfo_shard_state", "gauge", "1 for the current state of the shard; reason says why it is down"
)
_AGE: Final = Family("zinfo_shard_info_age_seconds", "gauge", "age of the newest INFO in seconds")
_BAD_LINES: Final = Family(
    "zinfo_shard_bad_lines", "gauge", "lines of the newest INFO that could not be parsed"
)
_FAILURES: Final = Family("zinfo_shard_failures", "gauge", "consecutive failed polls")
_REPLYING: Final = frozenset((ShardState.UP, ShardState.LOADING))


def add_shard(
    scrape: Scrape, selection: Selection, shard: RedisShard, rights: Rights, *, instance: bool
) -> None:
    """Add a shard to a scrape.

    For a shard that does not reply only its state is exposed: its fields are outdated, and a metric
    cannot express that.

    Args:
        scrape: receives the samples; it has the same rights.
        selection: which of the shard's labels are exposed.
        shard: the shard.
        rights: of the client; hidden fields are omitted.
        instance: whether its id is exposed, as the label `instance`.
    """
    labels = selection.labels_of(shard.labels)
    if instance:
        labels.insert(0, ("instance", shard.id))
    snapshot = shard.snapshot
    if shard.state not in _REPLYING or snapshot is None:
        scrape.add(labels, _state_samples(shard))
        return
    first: Iterable[Sample] = _state_samples(shard)
    if not rights.hides(EMPTY_DATABASE) and not has_database(snapshot):
        first = chain(first, empty_database(snapshot))
    scrape.add_reply(labels, first, snapshot.raw, snapshot.time, snapshot.all_fields)


def _state_samples(shard: RedisShard) -> Iterator[Sample]:
    if shard.state is not ShardState.NEW:  # a new shard has not been polled yet
        yield Sample(UP, (), int(shard.state in _REPLYING))
    yield Sample(_STATE, (("state", shard.state.value), ("reason", shard.reason)), 1)
    yield Sample(_FAILURES, (), shard.failures)
    if shard.snapshot is not None:
        yield Sample(_AGE, (), max(0.0, time.monotonic() - shard.snapshot.at))
        yield Sample(_BAD_LINES, (), shard.snapshot.bad_lines)
