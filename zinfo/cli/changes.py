"""Turns deltas into changes of single fields, with old and new value. Pure.

Old values come from the daemon's cache and the deltas since. After lost messages they are unknown
until the cache is read again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zinfo.client import Delta


class Unknown(Enum):
    """The type of UNKNOWN."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""An old value that is not known."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one field of one shard.

    Attributes:
        shard: id of the shard.
        revision: number of the poll that found it.
        time: of that poll; wall clock, seconds since the Unix epoch.
        field: its name.
        old: previous value; None where there was no such field, UNKNOWN where it is not known.
        new: present value; None where the field was removed.
    """

    shard: str
    revision: int
    time: float
    field: str
    old: object
    new: object


@dataclass(slots=True)
class _Known:
    revision: int
    fields: dict[str, object]
    complete: bool  # whether fields that are not in `fields` are known not to exist


class KnownFields:
    """The newest known values of the selected fields.

    Args:
        keys: names of the fields; empty for all.
        prefix: whether the keys are prefixes of names.
    """

    def __init__(self, keys: Collection[str] = (), prefix: bool = False) -> None:
        self._exact = frozenset() if prefix else frozenset(keys)
        self._prefixes = tuple(keys) if prefix else ()
        self._all = not keys
        self._shards: dict[str, _Known] = {}

    def wants(self, field: str) -> bool:
        """Return whether a field is selected."""
        return self._all or field in self._exact or field.startswith(self._prefixes or ("\0",))

    def unmatched(self) -> list[str]:
        """Return the keys that match no field of any shard; nothing while no shard is known."""
        known = {name for one in self._shards.values() for name in one.fields}
        if not self._shards:
            return []
        prefixes = (key for key in self._prefixes if not any(one.startswith(key) for one in known))
        return sorted([*(self._exact - known), *prefixes])

    def update(self, entry: Mapping[str, object]) -> list[Change]:
        """Set the values from an entry of `get_infos` with the selected fields.

        Returns:
            The changes since the values that were known before.
        """
        meta = entry.get("meta")
        assert isinstance(meta, Mapping)
        shard, revision = str(meta["shard_identifier"]), meta.get("revision", 0)
        fields = {name: value for name, value in entry.items() if name != "meta"}
        known = self._shards.get(shard)
        if known is not None and known.revision >= revision:
            return []
        self._shards[shard] = _Known(revision, fields, complete=True)
        if known is None:
            return []
        now: dict[str, object] = dict.fromkeys(known.fields) | fields
        if not known.complete:
            now = {name: now[name] for name in known.fields}
        return _differences(shard, revision, float(meta.get("time", 0.0)), known, now)

    def apply(self, delta: Delta) -> list[Change]:
        """Apply a delta; returns the changes of the selected fields."""
        known = self._shards.get(delta.shard)
        if known is not None and delta.revision <= known.revision:
            return []
        if delta.base == 0:
            known = known or _Known(0, {}, complete=True)
        elif known is None or known.revision != delta.base:
            known = _Known(0, {}, complete=False)
        fields: dict[str, object] = {**delta.set, **dict.fromkeys(delta.unset)}
        if delta.base == 0:
            fields = dict.fromkeys(known.fields) | fields
        wanted = {name: value for name, value in fields.items() if self.wants(name)}
        changes = _differences(delta.shard, delta.revision, delta.time, known, wanted)
        known.revision = delta.revision
        known.fields.update(wanted)
        for name, value in wanted.items():
            if value is None:
                del known.fields[name]
        self._shards[delta.shard] = known
        return changes

    def restart_revisions(self, shard: str) -> None:
        """Accept the next values of a shard with any revision, as another daemon counts."""
        if shard in self._shards:
            self._shards[shard].revision = -1

    def forget(self, shard: str | None = None) -> None:
        """Forget the values of a shard, or of all shards."""
        if shard is None:
            self._shards.clear()
        else:
            self._shards.pop(shard, None)


def _differences(
    shard: str, revision: int, time: float, known: _Known, fields: Mapping[str, object]
) -> list[Change]:
    missing = None if known.complete else UNKNOWN
    changes = []
    for name, new in fields.items():
        old = known.fields.get(name, missing)
        if old != new:
            changes.append(Change(shard, revision, time, name, old, new))
    return changes
