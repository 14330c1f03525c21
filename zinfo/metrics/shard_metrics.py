"""Adds a live shard to a scrape: its INFO, and what zinfo knows about it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from zinfo.metrics.keyspace import EMPTY_DATABASE, empty_database, has_database
from zinfo.metrics.samples import Sample
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection
from zinfo.metrics.shard_state import ShardFacts, state_samples
from zinfo.security.rights import Rights
from zinfo.shards.shard import RedisShard, ShardState

# Constants, as an attribute of an enum takes as long to read as ten of a module.
_NEW: Final = ShardState.NEW
_UP: Final = ShardState.UP
_LOADING: Final = ShardState.LOADING


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
    text = selection.text_of_labels(shard.labels, shard.id if instance else None)
    snapshot, state = shard.snapshot, shard.state
    replies = state is _UP or state is _LOADING
    facts = ShardFacts(
        None if state is _NEW else replies,  # a new shard was not polled yet
        state.value,
        shard.reason,
        shard.failures,
        None if snapshot is None else max(0.0, time.monotonic() - snapshot.at),
    )
    if snapshot is None or not replies:
        bad_lines = 0 if snapshot is None else snapshot.bad_lines
        scrape.add_text(text, state_samples(facts, bad_lines))
        return
    more: Iterable[Sample] = ()
    if not rights.hides(EMPTY_DATABASE) and not has_database(snapshot):
        more = empty_database(snapshot)
    scrape.add_reply(text, facts, more, snapshot)
