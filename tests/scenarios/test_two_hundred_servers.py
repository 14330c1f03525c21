"""Two hundred servers of one machine are discovered; some are killed."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until

SERVERS = 200
BUSY = 20
KILLED = 20


@pytest.fixture(scope="module")
def servers() -> Iterator[list[RealServer]]:
    with contextlib.ExitStack() as stack:
        fleet = [RealServer() for _ in range(SERVERS)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(stack.enter_context, fleet))
        yield fleet


@pytest.fixture(scope="module")
def daemon(servers: list[RealServer]) -> Iterator[RunningDaemon]:
    with RunningDaemon(local=True) as daemon:
        daemon.wait_polled(SERVERS, timeout=60)
        yield daemon


def shards(daemon: RunningDaemon, servers: list[RealServer]) -> dict[str, Any]:
    """The daemon's shards that are these servers; the machine may have others."""
    body: Any = daemon.ask("shards").body
    ours = {server.ident for server in servers}
    return {shard["id"]: shard for shard in body if shard["id"] in ours}


def events_of(daemon: RunningDaemon, servers: list[RealServer], since: int) -> list[Any]:
    body: Any = daemon.ask("events", since=since).body
    ours = {server.ident for server in servers}
    return [event for event in body if event["shard"] in ours]


def test_all_servers_are_found_and_polled(daemon: RunningDaemon, servers: list[RealServer]) -> None:
    wait_until(
        lambda: all(s["revision"] >= 2 for s in shards(daemon, servers).values()),
        what="every server to be polled twice",
    )
    found = shards(daemon, servers)
    assert set(found) == {server.ident for server in servers}
    assert {shard["state"] for shard in found.values()} == {"up"}
    for server in servers:
        assert found[server.ident]["labels"]["pid"] == str(server.pid)


def test_intervals_adapt_in_both_directions(
    daemon: RunningDaemon, servers: list[RealServer]
) -> None:
    def intervals(some: list[RealServer]) -> set[float]:
        known = shards(daemon, some)
        return {shard["interval"] for shard in known.values()}

    busy, idle = servers[:BUSY], servers[BUSY:]
    wait_until(lambda: intervals(servers) == {3.0}, 40, what="idle servers to have long intervals")

    def work() -> bool:
        for server in busy:
            client = server.client()
            for _ in range(30):
                client.incr("n")
        return intervals(busy) == {0.5}

    wait_until(work, 30, what="busy servers to have short intervals")
    assert intervals(idle) == {3.0}


def test_killed_servers_are_down_then_removed_and_others_are_unaffected(
    daemon: RunningDaemon, servers: list[RealServer]
) -> None:
    since: Any = daemon.ask("events").header["newest"]
    dead, alive = servers[-KILLED:], servers[:-KILLED]
    before = shards(daemon, alive)
    for server in dead:
        server.kill()
    wait_until(
        lambda: not shards(daemon, dead),
        30,
        what="killed servers to be removed",
    )
    seen = Counter((e["shard"], e["type"]) for e in events_of(daemon, dead, since))
    assert seen == Counter(
        {(server.ident, type_): 1 for server in dead for type_ in ("down", "removed")}
    )
    assert events_of(daemon, alive, since) == []
    after = shards(daemon, alive)
    assert set(after) == set(before)
    wait_until(
        lambda: all(
            shard["revision"] > before[ident]["revision"]
            for ident, shard in shards(daemon, alive).items()
        ),
        what="the others to be polled again",
    )
