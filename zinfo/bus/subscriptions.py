"""The topic prefixes that are subscribed on a socket, and which topics match them. Pure."""

from __future__ import annotations

from zinfo.wire.bus_messages import KIND_DELTA, KIND_INFO, batched_head, topic


class SubscriptionSet:
    """A set of subscribed topic prefixes.

    Args:
        max_prefixes: largest size of the set.
    """

    def __init__(self, max_prefixes: int = 100_000) -> None:
        self._prefixes: set[bytes] = set()
        self._max_prefixes = max_prefixes
        self.generation = 0  #: incremented by each change of the set

    def __len__(self) -> int:
        return len(self._prefixes)

    def add(self, prefix: bytes) -> bool:
        """Add a prefix; return False if the set is full."""
        if prefix in self._prefixes:
            return True
        if len(self._prefixes) >= self._max_prefixes:
            return False
        self._prefixes.add(prefix)
        self.generation += 1
        return True

    def discard(self, prefix: bytes) -> None:
        """Remove a prefix that its last subscriber has unsubscribed."""
        if prefix in self._prefixes:
            self._prefixes.remove(prefix)
            self.generation += 1

    def clear(self) -> None:
        """Remove all prefixes."""
        self._prefixes.clear()
        self.generation += 1

    def matches(self, full_topic: bytes) -> bool:
        """Return whether a subscribed prefix matches this topic."""
        prefixes = self._prefixes
        if not prefixes:
            return False
        return any(full_topic[:length] in prefixes for length in range(len(full_topic) + 1))


class ShardSubscriptions:
    """Whether the INFO and the deltas of one shard are subscribed.

    The result is cached until the subscriptions change.

    Args:
        subscriptions: the subscriptions of the socket.
        shard_id: the shard.
        is_allowed: whether the socket may publish INFO of this shard at all.

    Attributes:
        is_allowed: as given.
        generation: that of the subscriptions at the last `refresh`.
        batched_head: the first bytes of each delta of the shard in a batch.
    """

    __slots__ = (
        "_subscriptions",
        "batched_head",
        "delta_subscribed",
        "delta_topic",
        "generation",
        "info_subscribed",
        "info_topic",
        "is_allowed",
    )

    def __init__(
        self, subscriptions: SubscriptionSet, shard_id: str, *, is_allowed: bool = True
    ) -> None:
        self._subscriptions = subscriptions
        self.generation = -1
        self.is_allowed = is_allowed
        self.info_topic = topic(KIND_INFO, shard_id)
        self.delta_topic = topic(KIND_DELTA, shard_id)
        self.batched_head = batched_head(self.delta_topic)
        self.info_subscribed = False
        self.delta_subscribed = False

    def refresh(self) -> None:
        """Bring `info_subscribed` and `delta_subscribed` up to date."""
        subscriptions, allowed = self._subscriptions, self.is_allowed
        self.generation = subscriptions.generation
        self.info_subscribed = allowed and subscriptions.matches(self.info_topic)
        self.delta_subscribed = allowed and subscriptions.matches(self.delta_topic)
