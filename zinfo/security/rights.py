"""What a client may: which shards it sees, which operations it calls, which fields it is not told.

Pure: no keys, no sockets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zinfo.info.parser import Value
from zinfo.security.bus_rights import BusRights
from zinfo.shards.prefix_set import PrefixSet
from zinfo.wire.lifecycle import RESTARTED, ROLE_CHANGED, VERSION_CHANGED, Event

ALWAYS = frozenset({"hello", "ping"})
"""Operations that every client that is let in may call: without them it could not join."""

# What lifecycle events and the list of shards tell of INFO's fields.
_SOURCE_FIELDS = {
    "role": ("role",),
    "version": (
        "redis_version",
        "valkey_version",
        "dragonfly_version",
        "keydb_version",
        "kvrocks_version",
        "pika_version",
    ),
    "run_id": ("run_id",),
}
_ATTRIBUTES = {ROLE_CHANGED: "role", VERSION_CHANGED: "version", RESTARTED: "run_id"}  # in events


@dataclass(frozen=True, slots=True)
class Rights:
    """What one client may.

    Attributes:
        name: of the client, for logs.
        shards: prefixes of the ids of the shards that it sees; None for all.
        operations: that it may call beside those of `ALWAYS`; None for all.
        hidden_fields: INFO fields that it is not told; each `*` stands for any characters, or none.
    """

    name: str
    shards: tuple[str, ...] | None = None
    operations: frozenset[str] | None = None
    hidden_fields: tuple[str, ...] = ()
    _names: frozenset[str] = field(init=False, repr=False)
    _prefixes: tuple[str, ...] = field(init=False, repr=False)
    _patterns: tuple[tuple[str, ...], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        split = [tuple(one.split("*")) for one in self.hidden_fields]
        names = frozenset(parts[0] for parts in split if len(parts) == 1)
        prefixes = tuple(parts[0] for parts in split if len(parts) == 2 and not parts[1])
        patterns = tuple(
            parts for parts in split if len(parts) > 2 or (len(parts) == 2 and parts[1])
        )
        object.__setattr__(self, "_names", names)  # the dataclass is frozen
        object.__setattr__(self, "_prefixes", prefixes)
        object.__setattr__(self, "_patterns", patterns)

    def can_see(self, shard_id: str) -> bool:
        """Return whether the client may know of a shard."""
        return self.shards is None or shard_id.startswith(self.shards)

    def visible_shards(self, shard_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the shards, whose ids are sorted, that the client may know of."""
        return shard_ids if self.shards is None else PrefixSet(self.shards).select(shard_ids)

    def can_call(self, operation: str) -> bool:
        """Return whether the client may call an operation."""
        return self.operations is None or operation in self.operations or operation in ALWAYS

    def hides(self, name: str) -> bool:
        """Return whether the client is not told a field."""
        return (
            name in self._names
            or (bool(self._prefixes) and name.startswith(self._prefixes))
            or (bool(self._patterns) and any(_fits(name, parts) for parts in self._patterns))
        )

    def visible_fields(self, fields: Mapping[str, Value]) -> dict[str, Value]:
        """Return those of INFO's fields that the client is told."""
        return {name: value for name, value in fields.items() if not self.hides(name)}

    def hidden_attributes(self) -> frozenset[str]:
        """Return which of `role`, `version` and `run_id`, told beside INFO, are withheld, too."""
        return frozenset(
            fact for fact, names in _SOURCE_FIELDS.items() if any(map(self.hides, names))
        )

    def visible_attributes(self, values: dict[str, object]) -> dict[str, object]:
        """Return what is told of a shard, less the facts that are withheld."""
        if not self.hidden_fields:
            return values
        hidden = self.hidden_attributes()
        return {name: None if name in hidden else value for name, value in values.items()}

    def visible_event(self, event: Event) -> dict[str, object]:
        """Return what a client is told of a lifecycle event of a shard that it sees."""
        values = event.as_map()
        fact = _ATTRIBUTES.get(event.type)
        if fact is not None and fact in self.hidden_attributes():
            values.update(old=None, new=None, message="")
        return values

    def on_bus(self) -> BusRights | None:
        """Return what the client may get from the bus; None for nothing."""
        return BusRights.of(self.shards, self.operations, self.hidden_fields)

    @classmethod
    def of_bus(cls, rights: BusRights) -> Rights:
        """Return the rights of whoever has these on the bus, as far as the bus knows them."""
        return cls("subscriber", shards=rights.shards, hidden_fields=rights.hidden_fields)


EVERYTHING = Rights("everybody")
"""What all may where nobody is asked for a key."""


def _fits(name: str, parts: Sequence[str]) -> bool:
    """Return whether a name fits a pattern, given as what stands between its `*`.

    The time is bounded by the lengths of both: a server chooses its fields' names, and a regular
    expression with many `.*` could be made to take very long.
    """
    first, *middle, last = parts
    if not name.startswith(first) or len(name) < len(first) + len(last):
        return False
    start, end = len(first), len(name) - len(last)
    for part in middle:
        start = name.find(part, start, end)
        if start < 0:
            return False
        start += len(part)
    return name.endswith(last)
