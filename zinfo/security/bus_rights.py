"""What a client may get from the bus; clients of equal rights share a socket. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from zinfo.wire.bus_messages import (
    FENCE_PREFIX,
    KIND_DELTA,
    KIND_EVENT,
    KIND_HEARTBEAT,
    KIND_INFO,
    topic,
)

INFO_OPERATIONS = frozenset({"snapshot", "get_infos"})
"""Operations that tell INFO: who may call one of them gets INFO and deltas from the bus."""

EVENT_OPERATIONS = frozenset({"events"})
"""Operations that tell lifecycle events: who may call one of them gets events from the bus."""


class BusRights(NamedTuple):
    """One set of rights on the bus; equal for clients that may get the same messages.

    Attributes:
        shards: beginnings of the ids of the shards whose messages are published; None for all.
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
        """Return the rights on the bus that a client's rights come to; None where it gets nothing.

        Args:
            shards: beginnings of the ids of the shards that it sees; None for all.
            operations: of the query endpoint, which it may call; None for all.
            hidden_fields: patterns of INFO fields that it may not read.
        """
        infos = operations is None or not INFO_OPERATIONS.isdisjoint(operations)
        events = operations is None or not EVENT_OPERATIONS.isdisjoint(operations)
        if not infos and not events:
            return None
        return cls(_shortest(shards), tuple(sorted(set(hidden_fields))), infos, events)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of messages about shards that are published."""
        return (KIND_INFO, KIND_DELTA) * self.infos + (KIND_EVENT,) * self.events

    def covers(self, prefix: bytes) -> bool:
        """Return whether any message that these rights allow could match a subscription."""
        if self == UNLIMITED or prefix.startswith(FENCE_PREFIX):
            return True
        return any(one.startswith(prefix) or prefix.startswith(one) for one in self._beginnings())

    def _beginnings(self) -> Iterable[bytes]:
        yield FENCE_PREFIX
        yield topic(KIND_HEARTBEAT)
        for kind in self.kinds:
            if self.shards is None:
                yield topic(kind)
            else:
                # Without the / at the end, which would end the id.
                yield from (topic(kind, beginning)[:-1] for beginning in self.shards)


UNLIMITED = BusRights()
"""The rights of whoever may get every message."""


def _shortest(shards: Collection[str] | None) -> tuple[str, ...] | None:
    """Return the beginnings that no other one begins, in order; None where one is empty."""
    if shards is None or "" in shards:
        return None
    kept: list[str] = []
    for one in sorted(set(shards)):  # what another one begins comes right behind it
        if not kept or not one.startswith(kept[-1]):
            kept.append(one)
    return tuple(kept)
