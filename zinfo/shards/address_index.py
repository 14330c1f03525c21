"""AddressIndex: finds live shards by the address that zinfo polls them at."""

from __future__ import annotations

from collections.abc import Iterator

from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.registry import ShardEvent, ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.wire.addresses import DEFAULT_REDIS_PORT, ShardAddress, lower_host, parse_shard_url
from zinfo.wire.scrape_targets import address_key


class AddressIndex:
    """The live shards by address, whatever their ids are.

    Args:
        publisher: the live shards.
    """

    def __init__(self, publisher: ShardPublisher) -> None:
        self._shards: dict[str, dict[str, RedisShard]] = {}  # by address, then by id
        self._keys: dict[str, str] = {}  # address by id; an option may change while a shard is live
        publisher.subscribe_shard_event(ShardEvent.ADDED, self._add)
        publisher.subscribe_shard_event(ShardEvent.REMOVED, self._remove)
        for shard in publisher.get_live_shards():
            self._add(shard)

    def at(self, key: str) -> Iterator[RedisShard]:
        """Yield the shards at an address, in the order in which they were added.

        Args:
            key: the address, as `address_key` returns it.
        """
        yield from self._shards.get(key, {}).values()

    def _add(self, shard: RedisShard) -> None:
        key = _key_of(shard)
        if key is not None:
            self._keys[shard.id] = key
            self._shards.setdefault(key, {})[shard.id] = shard

    def _remove(self, shard: RedisShard) -> None:
        key = self._keys.pop(shard.id, None)
        if key is not None:
            shards = self._shards[key]
            shards.pop(shard.id)
            if not shards:
                del self._shards[key]


def _key_of(shard: RedisShard) -> str | None:
    """Return the address of a shard; None where its connections are made by foreign code."""
    conn = shard.redis_conn
    if isinstance(conn, ConnectionOptions):
        return address_key(parse_shard_url(conn.url))
    # A redis.Redis. This package does not import redis, so its attributes are validated instead.
    options = getattr(getattr(conn, "connection_pool", None), "connection_kwargs", None)
    if not isinstance(options, dict):
        return None
    path, host = options.get("path"), options.get("host", "localhost")
    port = options.get("port", DEFAULT_REDIS_PORT)
    if isinstance(path, str) and path:
        return path
    if not isinstance(host, str) or not isinstance(port, int):
        return None
    try:
        return address_key(ShardAddress("redis", "", lower_host(host.strip("[]")), port))
    except ValueError:  # a host that is no address at all
        return None
