"""Load for a server: commands of enough kinds to fill every section of INFO."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import redis


def put_load(client: redis.Redis, commands: int = 20) -> None:
    """Send `commands` commands, of 18 kinds in rotation, one of which is an error."""
    pipeline = client.pipeline(transaction=False)
    for words in itertools.islice(_load(), commands):
        pipeline.execute_command(*words)
    # Errors are part of the load: they are in errorstats.
    pipeline.execute(raise_on_error=False)


def _load() -> Iterator[tuple[str | int, ...]]:
    """An endless sequence of commands, with other keys in each round."""
    round_number = 0
    while True:
        round_number += 1
        yield from (
            ("SET", f"string:{round_number}", "x" * (round_number % 50)),
            ("GET", f"string:{round_number}"),
            ("GET", f"missing:{round_number}"),
            ("INCR", "counter"),
            ("APPEND", "text", "more"),
            ("LPUSH", "list", round_number),
            ("LRANGE", "list", 0, 10),
            ("LTRIM", "list", 0, 100),
            ("HSET", "hash", f"field:{round_number % 100}", round_number),
            ("HGETALL", "hash"),
            ("SADD", "set", round_number % 1000),
            ("ZADD", "zset", round_number, f"member:{round_number % 1000}"),
            ("ZRANGE", "zset", 0, 10),
            ("EXPIRE", f"string:{round_number}", 100),
            ("EXISTS", f"string:{round_number}"),
            ("INCR", "list"),
            ("CONFIG", "GET", "maxmemory"),
            ("PING",),
            ("DEL", f"string:{round_number - 10}"),
            ("DBSIZE",),
        )
