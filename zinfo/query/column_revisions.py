"""Revisions: which INFO of each shard the values of a page of columns are from."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from zinfo.shards.registry import ShardPublisher
from zinfo.wire.column_pages import FLOAT64, INT64, native


class Revisions:
    """The revision and the time of the newest INFO of many shards.

    Args:
        publisher: the registry of live shards.
    """

    def __init__(self, publisher: ShardPublisher) -> None:
        self._publisher = publisher
        self._revisions = array("q")
        self._times = array("d")

    def read(self, ids: Iterable[str]) -> None:
        """Append those of some shards; 0 for a shard without INFO."""
        snapshots = [shard and shard.snapshot for shard in self._publisher.find_shards(ids)]
        self._revisions.extend([found.revision if found else 0 for found in snapshots])
        self._times.extend([found.time if found else 0.0 for found in snapshots])

    def resize(self, count: int) -> None:
        """Drop those of the shards after the first `count`."""
        del self._revisions[count:], self._times[count:]

    def as_map(self) -> dict[str, object]:
        """Return them as they are in the body of a reply."""
        return {
            "revision": native(self._revisions.tobytes(), INT64),
            "time": native(self._times.tobytes(), FLOAT64),
        }
