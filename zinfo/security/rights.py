"""A client's rights: the shards it can see, the operations it can call, the fields hidden from it.

Pure: no keys, no sockets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zinfo.info.parser import Value
from zinfo.info.server_version import KNOWN, may_have_version
from zinfo.security.bus_rights import BusRights
from zinfo.shards.prefix_set import PrefixSet
from zinfo.wire.lifecycle import RESTARTED, ROLE_CHANGED, VERSION_CHANGED, Event

PUBLIC_OPERATIONS = frozenset({"hello", "ping"})
"""Operations that every admitted client can call: it needs them to connect."""

CHANGING_OPERATIONS = frozenset({"accept_source"})
"""Operations that change what the daemon polls.

A client with unlimited rights can call them. Any other needs to have them among its `operations`,
and to see all shards.
"""

INCLUDED_IN = {"get_columns": "get_infos"}
"""Operations without a right of their own, with the operation whose right they need."""

# Attributes of a shard in events and in the list of shards, with the INFO fields they come from.
_SOURCE_FIELDS = {
    "role": ("role",),
    "version": (*KNOWN, "redis_version", "version"),  # and any other field that `may_have_version`
    "run_id": ("run_id",),
}
# The attribute that an event of a type reports.
_UPTIME = "uptime_in_seconds"  # the message of RESTARTED has its value
_ATTRIBUTES = {
    ROLE_CHANGED: "role",
    VERSION_CHANGED: "version",
    RESTARTED: "run_id",
}


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of one client.

    Attributes:
        name: the client's name, for logs.
        shards: prefixes of the ids of the shards that it can see; None for all.
        operations: operations that it can call beside `PUBLIC_OPERATIONS`; None for all.
        hidden_fields: patterns of the INFO fields that are hidden from it; `*` stands for any
            characters, or none.
    """

    name: str
    shards: tuple[str, ...] | None = None
    operations: frozenset[str] | None = None
    hidden_fields: tuple[str, ...] = ()
    _names: frozenset[str] = field(init=False, repr=False)
    _prefixes: tuple[str, ...] = field(init=False, repr=False)
    _patterns: tuple[tuple[str, ...], ...] = field(init=False, repr=False)
    _attributes: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        split = [tuple(pattern.split("*")) for pattern in self.hidden_fields]
        names = frozenset(parts[0] for parts in split if len(parts) == 1)
        prefixes = tuple(parts[0] for parts in split if len(parts) == 2 and not parts[1])
        patterns = tuple(
            parts for parts in split if len(parts) > 2 or (len(parts) == 2 and parts[1])
        )
        object.__setattr__(self, "_names", names)  # the dataclass is frozen
        object.__setattr__(self, "_prefixes", prefixes)
        object.__setattr__(self, "_patterns", patterns)
        hidden = {name for name, fields in _SOURCE_FIELDS.items() if any(map(self.hides, fields))}
        if any(may_have_version(parts[0]) for parts in split if len(parts) == 1) or any(
            parts[-1] and ("_version".endswith(parts[-1]) or may_have_version(parts[-1]))
            for parts in split
            if len(parts) > 1
        ):
            hidden.add("version")
        object.__setattr__(self, "_attributes", frozenset(hidden))

    def can_see(self, shard_id: str) -> bool:
        """Return whether the client can see a shard."""
        return self.shards is None or shard_id.startswith(self.shards)

    def visible_shards(self, shard_ids: Sequence[str]) -> Sequence[str]:
        """Return the ids, of sorted shard ids, of the shards that the client can see."""
        return shard_ids if self.shards is None else PrefixSet(self.shards).select(shard_ids)

    def can_call(self, operation: str) -> bool:
        """Return whether the client can call an operation."""
        if operation in CHANGING_OPERATIONS and not self._can_change:
            return False
        return (
            self.operations is None
            or INCLUDED_IN.get(operation, operation) in self.operations
            or operation in PUBLIC_OPERATIONS
        )

    @property
    def _can_change(self) -> bool:
        if self.shards is not None:
            return False
        return self.operations is not None or not self.hidden_fields

    def hides(self, name: str) -> bool:
        """Return whether an INFO field is hidden from the client."""
        return (
            name in self._names
            or (bool(self._prefixes) and name.startswith(self._prefixes))
            or (bool(self._patterns) and any(_matches(name, parts) for parts in self._patterns))
        )

    def visible_fields(self, fields: Mapping[str, Value]) -> dict[str, Value]:
        """Return the INFO fields that are not hidden from the client."""
        return {name: value for name, value in fields.items() if not self.hides(name)}

    def hidden_attributes(self) -> frozenset[str]:
        """Return those of `role`, `version` and `run_id` that come from hidden fields."""
        return self._attributes

    def visible_attributes(self, values: dict[str, object]) -> dict[str, object]:
        """Return the attributes of a shard, with None for the hidden ones."""
        if not self.hidden_fields:
            return values
        hidden = self.hidden_attributes()
        return {name: None if name in hidden else value for name, value in values.items()}

    def visible_event(self, event: Event) -> dict[str, object]:
        """Return a lifecycle event as a map, without the values of a hidden attribute."""
        values = event.as_map()
        attribute = _ATTRIBUTES.get(event.type)
        if attribute is not None and attribute in self.hidden_attributes():
            values.update(old=None, new=None, message="")
        elif event.type == RESTARTED and self.hides(_UPTIME):
            values["message"] = ""
        return values

    def on_bus(self) -> BusRights | None:
        """Return the client's rights on the bus; None if it may receive nothing there."""
        return BusRights.of(self.shards, self.operations, self.hidden_fields)

    @classmethod
    def of_bus(cls, rights: BusRights) -> Rights:
        """Return the rights that correspond to a set of rights on the bus."""
        return cls("subscriber", shards=rights.shards, hidden_fields=rights.hidden_fields)


ALL_RIGHTS = Rights("anonymous")
"""The rights of each client if clients are not authenticated."""


def client_rights(name: str, configured: Mapping[str, Rights]) -> Rights:
    """Return the rights of an authenticated client.

    Args:
        name: of the client.
        configured: rights by name. A client without an entry has no rights, unless this is empty:
            then every client has all rights.
    """
    if not configured:
        return Rights(name)
    return configured.get(name) or Rights(name, operations=frozenset(), shards=())


def _matches(name: str, parts: Sequence[str]) -> bool:
    """Return whether a name matches a pattern, given as its parts between the `*`.

    Takes time proportional to the lengths of both. A regular expression with many `.*` could take
    exponential time, and a monitored server chooses the names of its fields.
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
