"""Load for a server: enough different commands for every section of INFO to have something."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import redis


def put_load(client: redis.Redis, commands: int = 20) -> None:
    """Send `commands` commands, over and over 18 different ones, one of which is an error."""
    pipeline = client.pipeline(transaction=False)
    for words in itertools.islice(_load(), commands):
        pipeline.execute_command(*words)
    # Any error is part of the load: it shows in errorstats.
    pipeline.execute(raise_on_error=False)


def _load() -> Iterator[tuple[str | int, ...]]:
    """Endless commands, whose keys change from round to round."""
    turn = 0
    while True:
        turn += 1
        yield from (
            ("SET", f"string:{turn}", "x" * (turn % 50)),
            ("GET", f"string:{turn}"),
            ("GET", f"missing:{turn}"),
            ("INCR", "counter"),
            ("APPEND", "text", "more"),
            ("LPUSH", "list", turn),
            ("LRANGE", "list", 0, 10),
            ("LTRIM", "list", 0, 100),
            ("HSET", "hash", f"field:{turn % 100}", turn),
            ("HGETALL", "hash"),
            ("SADD", "set", turn % 1000),
            ("ZADD", "zset", turn, f"member:{turn % 1000}"),
            ("ZRANGE", "zset", 0, 10),
            ("EXPIRE", f"string:{turn}", 100),
            ("EXISTS", f"string:{turn}"),
            ("INCR", "list"),
            ("CONFIG", "GET", "maxmemory"),
            ("PING",),
            ("DEL", f"string:{turn - 10}"),
            ("DBSIZE",),
        )
