"""Chooses the topics to subscribe to. Pure."""

from __future__ import annotations

from collections.abc import Collection

from zinfo.wire.bus_messages import (
    BATCH_TOPIC,
    KIND_BATCH,
    KIND_DELTA,
    KIND_EVENT,
    KIND_FIELDS,
    KIND_HEARTBEAT,
    fields_topic,
    topic,
)

# A SUB socket with more than about 1,000 subscriptions loses some of them when it reconnects
# (https://github.com/zeromq/libzmq/issues/2258). Above this, the prefix is subscribed instead.
MAX_TOPICS = 500

MAX_FIELDS = 64
"""Fields in a topic of fields; with more, whole deltas are received and filtered."""


def subscribes_prefix(shards: Collection[str] | None, kinds: int = 1) -> bool:
    """Return whether to subscribe to all shards, and filter in this process.

    Args:
        shards: ids of the wanted shards; None for all.
        kinds: how many topics a shard has.
    """
    return shards is None or len(shards) * kinds > MAX_TOPICS


def topics_of(kind: str, shards: Collection[str] | None, *, all_shards: bool) -> list[bytes]:
    """Return the topics of one kind of message."""
    if all_shards or shards is None:
        return [topic(kind)]
    return [topic(kind, shard) for shard in sorted(shards)]


def mirror_topics(
    shards: Collection[str] | None,
    fields: Collection[str] | None = None,
    offered: Collection[str] = (),
) -> list[bytes]:
    """Return the topics of a Mirror; all events, as their total is compared with the daemon's.

    Args:
        shards: ids of the wanted shards; None for all.
        fields: names of the wanted fields; None for all.
        offered: kinds of topics that the daemon offers, in its reply to `hello`.
    """
    all_shards = subscribes_prefix(shards)
    if all_shards and fields and len(set(fields)) <= MAX_FIELDS and KIND_FIELDS in offered:
        deltas = [fields_topic(fields)]
    elif all_shards and KIND_BATCH in offered:
        deltas = [BATCH_TOPIC]
    else:
        deltas = topics_of(KIND_DELTA, shards, all_shards=all_shards)
    return [*deltas, topic(KIND_EVENT), topic(KIND_HEARTBEAT)]
