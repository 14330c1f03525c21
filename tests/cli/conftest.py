"""A daemon with real servers, one per test module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cli.running import QUICK
from tests.daemons import RunningDaemon
from tests.servers import RealServer, free_port


@dataclass(frozen=True, slots=True)
class Fleet:
    """A daemon and what it watches.

    Attributes:
        daemon: the daemon.
        first: a server without data.
        second: another one; it has the label role=cache.
        dead: id of a shard whose port is closed.
    """

    daemon: RunningDaemon
    first: RealServer
    second: RealServer
    dead: str


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Two servers that are up, one that is not there, and the daemon that watches them."""
    dead = f"127.0.0.1:{free_port()}"
    with RealServer() as first, RealServer() as second:
        config = f"""
            [[shards]]
            url = "{second.url}"
            labels = {{ role = "cache" }}
        """
        urls = [first.url, f"redis://{dead}"]
        with RunningDaemon(urls, config_text=config, environ=QUICK) as daemon:
            daemon.wait_polled(2)
            daemon.wait_settled()
            yield Fleet(daemon, first, second, dead)
