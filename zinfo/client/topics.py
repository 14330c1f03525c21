"""Which topics are subscribed for which shards. Pure."""

from __future__ import annotations

from collections.abc import Collection

from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT, topic

# A SUB socket with more than about 1,000 subscriptions loses some of them when it reconnects
# (https://github.com/zeromq/libzmq/issues/2258); over this, the prefix is subscribed instead.
MAX_TOPICS = 500


def takes_all(shards: Collection[str] | None, kinds: int = 1) -> bool:
    """Return whether the messages of all shards are received, to be filtered here.

    Args:
        shards: ids of the shards of interest; None for all.
        kinds: how many topics a shard has.
    """
    return shards is None or len(shards) * kinds > MAX_TOPICS


def topics_of(kind: str, shards: Collection[str] | None, *, take_all: bool) -> list[bytes]:
    """Return the topics to subscribe for one kind of message."""
    if take_all or shards is None:
        return [topic(kind)]
    return [topic(kind, shard) for shard in sorted(shards)]


def mirror_topics(shards: Collection[str] | None) -> list[bytes]:
    """Return the topics of a Mirror: all events, so that their total can be checked."""
    deltas = topics_of(KIND_DELTA, shards, take_all=takes_all(shards))
    return [*deltas, topic(KIND_EVENT), topic(KIND_HEARTBEAT)]
