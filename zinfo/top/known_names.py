"""Collects the names of all fields of INFO that the shards have, for choices and suggestions. Pure.

A server's fields depend on its version and role. So one shard of each kind is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from zinfo.client.updates import Value

MAX_KINDS = 20
"""Number of kinds of shards whose fields are read."""

MAX_NAMES = 5000
"""Number of names that are stored; error names in INFO, for example, have no bound."""

MAX_LENGTH = 120
"""Characters of a name; longer ones are left out."""

SAMPLES = 3
"""Number of shards that are read at a time."""

Kind = tuple["str | None", "str | None"]
"""Version and role of a shard."""


class KnownNames:
    """The names of fields, and which kinds of shards they are of.

    Attributes:
        fields: names of fields, and `FIELD.KEY` of the items of maps.
    """

    def __init__(self) -> None:
        self.fields: frozenset[str] = frozenset()
        self._kinds: set[Kind] = set()

    def unread(self, shards: Iterable[tuple[str, Kind]]) -> list[str]:
        """Return ids of a few shards of kinds whose fields are not known.

        Args:
            shards: id and kind of each.
        """
        found: dict[Kind, str] = {}
        for shard, kind in shards:
            if kind not in self._kinds and len(found) < SAMPLES:
                found.setdefault(kind, shard)
        room = max(0, MAX_KINDS - len(self._kinds))
        return list(found.values())[:room]

    def add(self, kind: Kind, info: Mapping[str, Value]) -> None:
        """Add the fields of a shard's whole INFO."""
        self._kinds.add(kind)
        names = set(self.fields)
        for name in _names(info):
            if len(names) >= MAX_NAMES:
                break
            if len(name) <= MAX_LENGTH:
                names.add(name)
        self.fields = frozenset(names)


def _names(info: Mapping[str, Value]) -> Sequence[str]:
    plain = [name for name, value in info.items() if not isinstance(value, (dict, list))]
    maps = [(name, value) for name, value in info.items() if isinstance(value, dict)]
    return plain + [f"{name}.{key}" for name, value in maps for key in value]
