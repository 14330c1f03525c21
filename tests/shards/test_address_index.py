"""Live shards are found by address, whatever their ids are."""

from __future__ import annotations

import redis

from zinfo.shards.address_index import AddressIndex
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard


def ids(index: AddressIndex, key: str) -> list[str]:
    return [shard.id for shard in index.at(key)]


def test_a_shard_is_found_by_the_address_it_is_polled_at_while_it_is_live() -> None:
    publisher = ShardPublisher()
    publisher.add_shard(RedisShard("early", "redis://DB-1"))
    index = AddressIndex(publisher)
    publisher.add_shard(RedisShard("tls", "rediss://user:secret@db-1:6379/0"))
    publisher.add_shard(RedisShard("v6", "redis://[2001:DB8:0::1]:7000"))
    publisher.add_shard(RedisShard("socket", "unix:///run/redis.sock"))
    assert ids(index, "db-1:6379") == ["early", "tls"]
    assert ids(index, "[2001:db8::1]:7000") == ["v6"]
    assert ids(index, "/run/redis.sock") == ["socket"]

    publisher.del_shard("early")
    assert ids(index, "db-1:6379") == ["tls"]
    publisher.replace_shard(RedisShard("tls", "rediss://db-2"))
    assert ids(index, "db-1:6379") == []
    assert ids(index, "db-2:6379") == ["tls"]
    publisher.clear_shards()
    assert ids(index, "db-2:6379") == ids(index, "/run/redis.sock") == []


def test_clients_of_redis_py_are_found_and_foreign_code_is_not() -> None:
    publisher = ShardPublisher()
    index = AddressIndex(publisher)
    clients = {
        "tcp": redis.Redis("DB-1", 7000),
        "default": redis.Redis(),
        "v6": redis.Redis("::1", 7000),
        "socket": redis.Redis(unix_socket_path="/run/redis.sock"),
        "callable": lambda: redis.Redis("db-1", 7000),
        "odd": redis.Redis("fe80::zz%%:", 7000),
        "none": None,
    }
    for name, client in clients.items():
        publisher.add_shard(RedisShard(name, client))
    assert ids(index, "db-1:7000") == ["tcp"]
    assert ids(index, "localhost:6379") == ["default"]
    assert ids(index, "[::1]:7000") == ["v6"]
    assert ids(index, "/run/redis.sock") == ["socket"]
    publisher.clear_shards()
    assert ids(index, "db-1:7000") == []
