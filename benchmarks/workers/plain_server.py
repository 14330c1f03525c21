"""The plain server: a SimpleXMLRPCServer for the plain poller's dicts, in the same process."""

from __future__ import annotations

import time
import xmlrpc.client
from typing import Any
from xmlrpc.server import SimpleXMLRPCServer

import gevent
import redis
from typing_extensions import override

from benchmarks.worker_loop import serve_commands
from benchmarks.workers.plain_poller import PlainPoller


class PlainServer(PlainPoller):
    """A server of polled INFO as one would write it without zinfo."""

    def __init__(self) -> None:
        super().__init__()
        self._polled_at: dict[int, float] = {}

    @override
    def start(self, urls: list[str], shards: int, interval: float) -> dict[str, str]:
        super().start(urls, shards, interval)
        server = SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
        server.register_function(self.get_infos)
        gevent.spawn(server.serve_forever)
        return {"query": f"http://127.0.0.1:{server.server_address[1]}/"}

    @override
    def poll(self, number: int, connection: redis.Redis) -> None:
        super().poll(number, connection)
        self._polled_at[number] = time.monotonic()

    def get_infos(self, numbers: Any, keys: Any) -> list[dict[str, Any]]:
        """Return these fields of these shards, each with its shard's id and age.

        An empty list of numbers is all shards, an empty list of keys all fields.
        """
        now = time.monotonic()
        infos = []
        for number in numbers or sorted(self.infos):
            info = self.infos[number]
            chosen = {key: info[key] for key in keys if key in info} if keys else dict(info)
            age = now - self._polled_at[number]
            chosen["meta"] = {"shard_identifier": f"shard-{number:05}", "info_age": age}
            infos.append(chosen)
        return infos


def _dump_int(_: xmlrpc.client.Marshaller, value: int, write: Any) -> None:
    # XML-RPC integers have 32 bits, which is too few for INFO: a common extension, known to Python.
    write(f"<value><i8>{value}</i8></value>")


if __name__ == "__main__":
    xmlrpc.client.Marshaller.dispatch[int] = _dump_int
    serve_commands(PlainServer().handlers())
