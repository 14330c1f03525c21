"""One daemon with its HTTP server, and a Redis server, for all tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.daemons import RunningDaemon
from tests.servers import RealServer


@pytest.fixture(scope="module")
def real() -> Iterator[RealServer]:
    """A server with some data and traffic."""
    with RealServer() as server:
        client = server.client()
        client.set("a", 1)
        client.get("a")
        yield server


@pytest.fixture(scope="module")
def daemon(real: RealServer) -> Iterator[RunningDaemon]:
    """A daemon that watches it, and a shard at a port where no server listens."""
    config = "[history]\nstep = 1\nminutes = 1\n"
    urls = [real.url, "redis://127.0.0.1:1"]
    with RunningDaemon(urls, http=True, config_text=config) as running:
        running.wait_settled()
        yield running
