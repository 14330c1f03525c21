"""Adds live shards to a scrape: their INFO, and what zinfo knows about them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from zinfo.metrics.keyspace import EMPTY_DATABASE, empty_database, has_database
from zinfo.metrics.sample import MICRO
from zinfo.metrics.samples import Sample
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection
from zinfo.metrics.shard_state import Reply, ShardFacts, state_samples, state_text
from zinfo.security.rights import Rights
from zinfo.shards.shard import RedisShard, ShardState

# Constants, as an attribute of an enum takes as long to read as ten of a module.
_NEW: Final = ShardState.NEW
_UP: Final = ShardState.UP
_LOADING: Final = ShardState.LOADING
_UP_NAME: Final = _UP.value
_LOADING_NAME: Final = _LOADING.value

_NO_SAMPLES: Final[tuple[Sample, ...]] = ()


def add_shards(
    scrape: Scrape,
    selection: Selection,
    shards: Iterable[RedisShard],
    rights: Rights,
    *,
    instance: bool,
) -> None:
    """Add shards to a scrape.

    For a shard that does not reply only its state is exposed: its fields are outdated, and a metric
    cannot express that.

    Args:
        scrape: receives the samples; it has the same rights.
        selection: which of the shards' labels are exposed.
        shards: the shards.
        rights: of the client; hidden fields are omitted.
        instance: whether their ids are exposed, as the label `instance`.
    """
    has_databases = not rights.hides(EMPTY_DATABASE)
    for shard in shards:
        text = selection.text_of_labels(shard.labels, shard.id if instance else None)
        snapshot, state = shard.snapshot, shard.state
        if snapshot is None or (state is not _UP and state is not _LOADING):
            scrape.add_text(text, _state_samples(shard))
            continue
        more = _NO_SAMPLES
        if has_databases and not has_database(snapshot):
            more = tuple(empty_database(snapshot))
        name = _UP_NAME if state is _UP else _LOADING_NAME
        reason = shard.reason
        age = time.monotonic() - snapshot.at
        scrape.add_reply(
            Reply(
                text,
                snapshot.raw,
                int(snapshot.time),
                state_text(name, reason),
                shard.failures,
                int(age * MICRO) if age > 0 else 0,
                more,
                snapshot,
                name,
                reason,
            )
        )
    scrape.write_replies()


def _state_samples(shard: RedisShard) -> Iterable[Sample]:
    """Return the samples about a shard that does not reply."""
    snapshot, state = shard.snapshot, shard.state
    age = None
    if snapshot is not None:
        age = max(0, int((time.monotonic() - snapshot.at) * MICRO)) / MICRO
    facts = ShardFacts(
        None if state is _NEW else state is _UP or state is _LOADING,  # a new one was not polled
        state.value,
        shard.reason,
        shard.failures,
        age,
    )
    return state_samples(facts, 0 if snapshot is None else snapshot.bad_lines)
