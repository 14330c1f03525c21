"""The live copy of a Fleet: a mapping from shard id to INFO, read from the Mirrors of its daemons.

Both flavours of the Fleet share it; each of them starts, closes and awaits Mirrors in its own way.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any

from zinfo.client.fleet_coverage import MissingSlice
from zinfo.client.fleet_mirrors import FleetMirrors
from zinfo.client.mirror_state import View
from zinfo.client.packed_info import reader_of
from zinfo.client.sockets import clock
from zinfo.client.updates import Info, Value
from zinfo.errors import MissingSlicesError, NoAnswerError, ProtocolError

READY_CHECK_SECONDS = 0.02
"""Seconds between two checks in `wait_ready`."""

_NAMED = 5  # stale shards that an error names


class FleetMapping(Mapping[str, Info]):
    """The live copy of a Fleet. The first use of a method starts a Mirror of each daemon.

    Args:
        mirrors: the Mirrors.
    """

    def __init__(self, mirrors: FleetMirrors[Any]) -> None:
        self._mirrors = mirrors

    def __getitem__(self, shard: str) -> Info:
        with self._mirrors.copies() as copies:
            return copies.best(shard).store.info(shard) or {}

    def __iter__(self) -> Iterator[str]:
        with self._mirrors.copies() as copies:
            return iter(sorted(copies.ids()))

    def __len__(self) -> int:
        with self._mirrors.copies() as copies:
            return len(copies.ids())

    def __contains__(self, shard: object) -> bool:
        with self._mirrors.copies() as copies:
            return copies.has(shard)

    def items(self) -> ItemsView[str, Info]:
        """Return ids and INFO of all shards at this moment."""
        with self._mirrors.copies() as copies:
            best = copies.all_best()
            stored = {shard: best[shard].store.records[shard].parts() for shard in best}
        infos: dict[str, Info] = {}
        for shard, parts in stored.items():
            try:
                infos[shard] = parts.info() or {}
            except ProtocolError:
                infos[shard] = self.get(shard, {})  # this marks the copy as stale
        return infos.items()

    def values(self) -> ValuesView[Info]:
        """Return the INFO of all shards at this moment."""
        return dict(self.items()).values()

    def field(self, shard: str, name: str, default: Value | None = None) -> Value | None:
        """Return one field of a shard's INFO; quicker than reading the whole INFO.

        Args:
            shard: its id.
            name: of the field.
            default: returned where the shard has no such field, or was never polled.

        Raises:
            KeyError: the Fleet has no such shard.
        """
        reader = reader_of(frozenset((name,)))
        with self._mirrors.copies() as copies:
            return copies.best(shard).store.fields(shard, reader).get(name, default)

    def view(self, shard: str) -> View:
        """Return revision, state, INFO and freshness of a shard, all of the same copy and moment.

        Revisions of different daemons cannot be compared.

        Args:
            shard: its id.

        Raises:
            KeyError: the Fleet has no such shard.
        """
        with self._mirrors.copies() as copies:
            return copies.best(shard).view(shard, clock())

    def state(self, shard: str) -> tuple[str, str]:
        """Return a shard's state, and the reason if it is down.

        Args:
            shard: its id.

        Returns:
            The state (new, up, loading, busy or down), and the reason; "" if the shard is not down.

        Raises:
            KeyError: the Fleet has no such shard.
        """
        with self._mirrors.copies() as copies:
            record = copies.best(shard).store.records[shard]
            return record.state, record.reason

    def labels(self, shard: str) -> dict[str, str]:
        """Return a shard's labels; they are current if `fresh(shard)` is true.

        Args:
            shard: its id.

        Raises:
            KeyError: the Fleet has no such shard.
        """
        with self._mirrors.copies() as copies:
            return dict(copies.best(shard).store.records[shard].labels)

    def age(self, shard: str) -> float:
        """Return the age of a shard's INFO in seconds; infinite before its first poll.

        Args:
            shard: its id.

        Raises:
            KeyError: the Fleet has no such shard.
        """
        with self._mirrors.copies() as copies:
            polled_at = copies.best(shard).store.records[shard].polled_at
            return max(0.0, clock() - polled_at)

    def fresh(self, shard: str) -> bool:
        """Return whether the copy of a shard at one of the daemons is current.

        Args:
            shard: its id.

        Raises:
            KeyError: the Fleet has no such shard.
        """
        with self._mirrors.copies() as copies:
            if not copies.has(shard):
                raise KeyError(shard)
            return copies.fresh(shard)

    @property
    def stale(self) -> bool:
        """Whether any shard may be out of date, or exist at no daemon that is heard."""
        with self._mirrors.copies() as copies:
            return copies.stale()

    @property
    def stale_shards(self) -> frozenset[str]:
        """Ids of the shards that may be out of date, or may exist though they are not held."""
        with self._mirrors.copies() as copies:
            return frozenset(copies.stale_shards())

    @property
    def missing(self) -> tuple[MissingSlice, ...]:
        """Slices and daemons without which shards may be missing in the live copy."""
        with self._mirrors.copies() as copies:
            return copies.coverage.missing

    def _not_ready(self, timeout: float) -> NoAnswerError:
        missing, stale = self.missing, sorted(self.stale_shards)
        if missing:
            return MissingSlicesError(missing)
        names = ", ".join(stale[:_NAMED]) + (", ..." if len(stale) > _NAMED else "")
        return NoAnswerError(
            f"no current copy of {len(stale)} shards within {timeout:g} s: {names}"
        )
