"""Many servers of one machine are discovered; some are killed. At night they are two hundred."""

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

BUSY = 0.1
"""Share of the servers that get busy."""

KILLED = 0.1
"""Share of the servers that are killed."""

LONG = 60.0
"""Seconds after which a wait fails; it only ends a test that hangs."""

QUICK = {
    # Two steps from the shortest to the longest interval.
    "ZINFO_POLL_INTERVAL_STEP": "1.25",
    # Daemons of other tests on this machine poll these servers, too.
    "ZINFO_POLL_OPS_INACTIVE": "50",
    "ZINFO_POLL_OPS_ACTIVE": "100",
    "ZINFO_POLL_TIMEOUT": "30",
    "ZINFO_POLL_CONNECT_TIMEOUT": "30",
}


@pytest.fixture(
    scope="module",
    params=[20, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(900)])],
)
def servers(request: pytest.FixtureRequest) -> Iterator[list[RealServer]]:
    with contextlib.ExitStack() as stack:
        fleet = [RealServer() for _ in range(request.param)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(stack.enter_context, fleet))
        yield fleet


@pytest.fixture(scope="module")
def daemon(servers: list[RealServer]) -> Iterator[RunningDaemon]:
    with RunningDaemon(local=True, environ=QUICK) as daemon:
        daemon.wait_polled(len(servers), LONG)
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
    def polled_twice() -> bool:
        found = shards(daemon, servers).values()
        return len(found) == len(servers) and all(one["revision"] >= 2 for one in found)

    wait_until(polled_twice, LONG, "every server to be polled twice")
    found = shards(daemon, servers)
    assert set(found) == {server.ident for server in servers}
    assert {shard["state"] for shard in found.values()} == {"up"}
    for server in servers:
        assert found[server.ident]["labels"]["pid"] == str(server.pid)


def test_intervals_adapt_in_both_directions(
    daemon: RunningDaemon, servers: list[RealServer]
) -> None:
    def with_interval(some: list[RealServer], seconds: float) -> set[str]:
        known = shards(daemon, some)
        return {ident for ident, shard in known.items() if shard["interval"] == seconds}

    busy = servers[: int(BUSY * len(servers))]
    idle = servers[len(busy) :]
    wait_until(
        lambda: len(with_interval(servers, 3.0)) == len(servers), LONG, "long intervals when idle"
    )
    clients = [server.client() for server in busy]
    became_busy: set[str] = set()

    def work() -> bool:
        """Have the busy servers execute commands; return whether each had a short interval."""
        for client in clients:
            pipe = client.pipeline(transaction=False)
            for _ in range(500):
                pipe.incr("n")
            pipe.execute()
        became_busy.update(with_interval(busy, 0.5))
        return len(became_busy) == len(busy)

    wait_until(work, LONG, "busy servers to have short intervals")
    assert len(with_interval(idle, 3.0)) == len(idle)


@pytest.fixture
def started_again(servers: list[RealServer]) -> Iterator[None]:
    """Start servers that a test has killed, for tests after it."""
    yield
    for server in servers:
        if not server.running:
            server.start()


@pytest.mark.usefixtures("started_again")
def test_killed_servers_are_down_then_removed_and_others_are_unaffected(
    daemon: RunningDaemon, servers: list[RealServer]
) -> None:
    since: Any = daemon.ask("events").header["newest"]
    killed = int(KILLED * len(servers))
    dead, alive = servers[-killed:], servers[:-killed]
    before = shards(daemon, alive)
    for server in dead:
        server.kill()
    wait_until(
        lambda: not shards(daemon, dead),
        LONG,
        "killed servers to be removed",
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
        LONG,
        "the others to be polled again",
    )
