"""The timed daemon, with its HTTP server enabled."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from benchmarks.worker_loop import serve_commands
from benchmarks.workers.timed_daemon import TimedDaemon
from zinfo.config.models import Config, HttpConfig


class HttpDaemon(TimedDaemon):
    """A daemon that Prometheus scrapes."""

    @override
    def config(self) -> Config:
        return super().config().model_copy(update={"http": HttpConfig(listen="127.0.0.1:0")})

    @override
    def start(self, urls: list[str], shards: int, interval: float) -> dict[str, Any]:
        started = super().start(urls, shards, interval)
        (server,) = self.daemon.server_adapters
        return {**started, "http": server.endpoint}


if __name__ == "__main__":
    serve_commands(HttpDaemon().handlers())
