"""IdLists: the sorted ids that a client sees, with a revision that tells whether they changed."""

from __future__ import annotations

import hashlib
import secrets
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from zinfo.query.servicer import has_labels
from zinfo.security.rights import Rights
from zinfo.shards.registry import ShardPublisher
from zinfo.wire.codec import pack_fields

_MAX_LISTS = 16  # cached lists; each has 12 bytes a shard
_BATCH = 1000  # ids hashed between two yield points, which takes a tenth of a millisecond
_REVISION_BYTES = 6  # a double represents each revision exactly

_Key: TypeAlias = "tuple[tuple[str, ...] | None, tuple[tuple[str, str], ...]]"


class IdList(NamedTuple):
    """The ids of some live shards.

    Attributes:
        ids: sorted.
        revision: above 0; two lists with the same ids have the same revision.
        changes: of the registry before the list was made.
        positions: of the shards in the registry's `rows`, as uint32; they are those of the shards
            as long as the registry has had no more changes. None if one of them has none.
    """

    ids: Sequence[str]
    revision: int
    changes: int
    positions: array[int] | None


class IdLists:
    """Makes the lists of the live shards, by rights and labels, and caches the newest of them.

    A revision is a hash of the ids. So a client learns nothing from it about shards that it cannot
    see, and a list that is removed from the cache and made again has the same one.

    Args:
        publisher: the registry of live shards.
    """

    def __init__(self, publisher: ShardPublisher) -> None:
        self._publisher = publisher
        self._key = secrets.token_bytes()  # so that no client can construct lists with equal hashes
        self._cached: dict[_Key, IdList] = {}

    def get(
        self, rights: Rights, labels: Mapping[str, str], yield_point: Callable[[], None]
    ) -> IdList:
        """Return the ids of the live shards that a client sees.

        Args:
            rights: of the client.
            labels: only shards with these labels.
            yield_point: called repeatedly while the list is made. Shards that are added or removed
                meanwhile may be missing from the list or be in it.
        """
        key = rights.shards, tuple(sorted(labels.items()))
        changes = self._publisher.changes
        cached = self._cached.pop(key, None)  # inserted again below, as the newest
        if cached is None or cached.changes != changes:
            ids = rights.visible_shards(self._publisher.sorted_shard_ids())
            if labels:
                ids = [one for one in ids if self._has_labels(one, labels, yield_point)]
            revision = self._hash(ids, yield_point)
            cached = IdList(ids, revision, changes, self._positions(ids, yield_point))
        self._cached[key] = cached
        if len(self._cached) > _MAX_LISTS:
            del self._cached[next(iter(self._cached))]
        return cached

    def _has_labels(
        self, shard_id: str, labels: Mapping[str, str], yield_point: Callable[[], None]
    ) -> bool:
        yield_point()
        shard = self._publisher.find_shard(shard_id)
        return shard is not None and has_labels(shard, labels)

    def _positions(self, ids: Sequence[str], yield_point: Callable[[], None]) -> array[int] | None:
        positions = array("I")
        for first in range(0, len(ids), _BATCH):
            yield_point()
            shards = self._publisher.find_shards(ids[first : first + _BATCH])
            found = self._publisher.rows.positions_of(shards)
            if found is None:
                return None
            positions.extend(found)
        return positions

    def _hash(self, ids: Sequence[str], yield_point: Callable[[], None]) -> int:
        digest = hashlib.blake2b(key=self._key, digest_size=_REVISION_BYTES)
        for first in range(0, len(ids), _BATCH):
            yield_point()
            digest.update(pack_fields(ids[first : first + _BATCH]))
        return int.from_bytes(digest.digest(), "big") or 1
