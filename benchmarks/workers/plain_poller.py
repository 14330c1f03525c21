"""The plain poller: one greenlet for each shard, which calls redis-py's `info()`."""

from __future__ import annotations

from typing import Any

import redis
from typing_extensions import override

from benchmarks.worker_loop import serve_commands
from benchmarks.workers.poll_worker import GreenletPoller


class PlainPoller(GreenletPoller):
    """A poller as one would write it without zinfo.

    Attributes:
        infos: The newest INFO of each shard.
    """

    def __init__(self) -> None:
        super().__init__()
        self.infos: dict[int, dict[str, Any]] = {}

    @override
    def connect(self, url: str) -> redis.Redis:
        client: redis.Redis = redis.Redis.from_url(url)
        return client

    @override
    def poll(self, number: int, connection: redis.Redis) -> None:
        self.infos[number] = connection.info("everything")


if __name__ == "__main__":
    serve_commands(PlainPoller().handlers())
