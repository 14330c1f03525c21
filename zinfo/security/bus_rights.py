"""What a client may receive on the bus; clients with equal rights share a socket. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from zinfo.wire.bus_messages import (
    BATCH_TOPIC,
    FENCE_PREFIX,
    FIELDS_ROOT,
    KIND_BATCH,
    KIND_DELTA,
    KIND_EVENT,
    KIND_FIELDS,
    KIND_HEARTBEAT,
    KIND_INFO,
    topic,
)

INFO_OPERATIONS = frozenset({"snapshot", "get_infos"})
"""Operations that return INFO; a client that may call one of them may subscribe INFO and deltas."""

EVENT_OPERATIONS = frozenset({"events"})
"""Operations that return lifecycle events; a client that may call one may subscribe events."""


class BusRights(NamedTuple):
    """One set of rights on the bus; equal for clients that may receive the same messages.

    Attributes:
        shards: prefixes of the ids of the shards whose messages are published; None for all.
        hidden_fields: patterns of INFO fields that are left out of messages.
        infos: whether INFO and deltas are published.
        events: whether lifecycle events are published.
    """

    shards: tuple[str, ...] | None = None
    hidden_fields: tuple[str, ...] = ()
    infos: bool = True
    events: bool = True

    @classmethod
    def of(
        cls,
        shards: Collection[str] | None,
        operations: Collection[str] | None,
        hidden_fields: Iterable[str],
    ) -> BusRights | None:
        """Derive a client's rights on the bus; None if it may receive nothing there.

        Args:
            shards: prefixes of the ids of the shards that it can see; None for all.
            operations: operations of the query endpoint that it can call; None for all.
            hidden_fields: patterns of INFO fields that are hidden from it.
        """
        infos = operations is None or not INFO_OPERATIONS.isdisjoint(operations)
        events = operations is None or not EVENT_OPERATIONS.isdisjoint(operations)
        if not infos and not events:
            return None
        return cls(_shortest(shards), tuple(sorted(set(hidden_fields))), infos, events)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of messages about shards that may be received."""
        return (KIND_INFO, KIND_DELTA) * self.infos + (KIND_EVENT,) * self.events

    @property
    def kinds_of_topics(self) -> tuple[str, ...]:
        """The kinds of topics that may be subscribed."""
        return (*self.kinds, KIND_HEARTBEAT) + (KIND_BATCH, KIND_FIELDS) * self.infos

    def covers(self, prefix: bytes) -> bool:
        """Return whether a subscription can match any message that these rights allow."""
        if self == UNLIMITED or prefix.startswith(FENCE_PREFIX):
            return True
        return any(one.startswith(prefix) or prefix.startswith(one) for one in self._topics())

    def _topics(self) -> Iterable[bytes]:
        """Yield prefixes of all topics that are allowed."""
        yield FENCE_PREFIX
        yield topic(KIND_HEARTBEAT)
        if self.infos:
            yield BATCH_TOPIC
            yield FIELDS_ROOT
        for kind in self.kinds:
            if self.shards is None:
                yield topic(kind)
            else:
                # Without the final "/", as this is only a prefix of the id.
                yield from (topic(kind, prefix)[:-1] for prefix in self.shards)


UNLIMITED = BusRights()
"""The rights of a client that may receive every message."""


def _shortest(shards: Collection[str] | None) -> tuple[str, ...] | None:
    """Return the prefixes that no other prefix covers, sorted; None if one is empty."""
    if shards is None or "" in shards:
        return None
    shortest: list[str] = []
    for prefix in sorted(set(shards)):  # sorted: a prefix comes right before those it covers
        if not shortest or not prefix.startswith(shortest[-1]):
            shortest.append(prefix)
    return tuple(shortest)
