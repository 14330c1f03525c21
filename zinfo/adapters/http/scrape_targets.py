"""ScrapeTargets: finds the shard that the `target` of a scrape names."""

from __future__ import annotations

from collections.abc import Iterator

import falcon

from zinfo.security.rights import Rights
from zinfo.shards.address_index import AddressIndex
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.wire.scrape_targets import parse_target


class ScrapeTargets:
    """Finds live shards by id or by address; no server is connected to.

    Args:
        publisher: the live shards.
    """

    def __init__(self, publisher: ShardPublisher) -> None:
        self._publisher = publisher
        self._addresses = AddressIndex(publisher)

    def find(self, target: str, rights: Rights) -> RedisShard:
        """Return the shard that a target names: its id, or else its address.

        Args:
            target: as `parse_target` takes it, or the id of a shard.
            rights: those of the client; it finds only shards that it can see.

        Raises:
            falcon.HTTPBadRequest: it is neither an id nor an address.
            falcon.HTTPNotFound: no such shard.
        """
        # No error repeats the target: one that was written for redis_exporter may have a password.
        try:
            for shard in self._candidates(target):
                if rights.can_see(shard.id):
                    return shard
        except ValueError as error:
            raise falcon.HTTPBadRequest(
                title="bad request",
                description=f"target is neither the id of a shard nor an address: {error}",
            ) from None
        known = len(rights.visible_shards(self._publisher.sorted_shard_ids()))
        raise falcon.HTTPNotFound(
            title="unknown shard",
            description="no shard has the id or the address in target; "
            f"/api/v1/shards lists all {known} shards",
        )

    def _candidates(self, target: str) -> Iterator[RedisShard]:
        """Yield the shards that a target may name, the likeliest first.

        Raises:
            ValueError: the target is not an address; only after the shards with this id.
        """
        find = self._publisher.find_shard
        # An id may contain ://, and a URL may be written as redis:// and an id.
        for shard_id in (target, target.partition("://")[2]):
            if shard_id and (shard := find(shard_id)) is not None:
                yield shard
        for key in parse_target(target):
            if (shard := find(key)) is not None:
                yield shard
            yield from self._addresses.at(key)
