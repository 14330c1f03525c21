"""Who wants what: the topics that are subscribed, and whether anybody wants a given one. Pure."""

from __future__ import annotations

from zinfo.wire.bus_messages import KIND_DELTA, KIND_INFO, topic


class Interest:
    """The set of subscribed topic prefixes.

    Args:
        most: topics held at most; what comes beyond is refused.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._prefixes: set[bytes] = set()
        self._most = most
        self.generation = 0  #: grows whenever the set changes

    def __len__(self) -> int:
        return len(self._prefixes)

    def add(self, prefix: bytes) -> bool:
        """Take a subscription; False where it is one too many."""
        if prefix in self._prefixes:
            return True
        if len(self._prefixes) >= self._most:
            return False
        self._prefixes.add(prefix)
        self.generation += 1
        return True

    def discard(self, prefix: bytes) -> None:
        """Forget a subscription that nobody holds any more."""
        if prefix in self._prefixes:
            self._prefixes.remove(prefix)
            self.generation += 1

    def clear(self) -> None:
        """Forget all subscriptions: their connections have gone."""
        self._prefixes.clear()
        self.generation += 1

    def wants(self, full_topic: bytes) -> bool:
        """Return whether a subscribed prefix begins this topic."""
        prefixes = self._prefixes
        if not prefixes:
            return False
        return any(full_topic[:length] in prefixes for length in range(len(full_topic) + 1))


class ShardInterest:
    """Whether one shard's snapshots and deltas are wanted; looked up anew only after a change.

    Args:
        interest: the subscriptions.
        shard_id: the shard.
    """

    __slots__ = (
        "_generation",
        "_interest",
        "delta_topic",
        "info_topic",
        "wants_delta",
        "wants_info",
    )

    def __init__(self, interest: Interest, shard_id: str) -> None:
        self._interest = interest
        self._generation = -1
        self.info_topic = topic(KIND_INFO, shard_id)
        self.delta_topic = topic(KIND_DELTA, shard_id)
        self.wants_info = False
        self.wants_delta = False

    def refresh(self) -> None:
        """Bring `wants_info` and `wants_delta` up to date."""
        interest = self._interest
        if self._generation != interest.generation:
            self._generation = interest.generation
            self.wants_info = interest.wants(self.info_topic)
            self.wants_delta = interest.wants(self.delta_topic)
