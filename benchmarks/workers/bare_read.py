"""The bare read: one greenlet for each shard, which sends INFO and reads the raw reply."""

from __future__ import annotations

from typing import Any

import redis
import redis.connection
from typing_extensions import override

from benchmarks.worker_loop import serve_commands
from benchmarks.workers.poll_worker import GreenletPoller


class BareReader(GreenletPoller):
    """The least that a poll costs with redis-py's Connection.

    Attributes:
        infos: The newest INFO of each shard.
    """

    def __init__(self) -> None:
        super().__init__()
        self.infos: dict[int, bytes] = {}
        self._request: Any = None

    @override
    def connect(self, url: str) -> redis.connection.Connection:
        address = redis.connection.parse_url(url)
        connection = redis.connection.Connection(
            host=address["host"], port=address["port"], protocol=2
        )
        connection.connect()
        self._request = connection.pack_command("INFO", "everything")
        return connection

    @override
    def poll(self, number: int, connection: redis.connection.Connection) -> None:
        connection.send_packed_command(self._request, check_health=False)
        self.infos[number] = connection.read_response(disable_decoding=True)


if __name__ == "__main__":
    serve_commands(BareReader().handlers())
