"""Healthy shards are polled while others fail."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import peers
from tests.faults.peers import INFO, Peer
from tests.faults.watched import (
    LONG,
    NEVER,
    SHORT,
    WatchingDaemon,
    percentile,
    share_on_time,
    watching_daemon,
)
from tests.promises import Promise
from tests.servers import RealServer
from tests.spawning import free_port
from tests.waiting import wait_until

ON_TIME = 0.1
"""Seconds by which a poll may start late; the share of such polls is printed."""

KINDS = 10


@contextlib.contextmanager
def faulty_urls() -> Iterator[list[str]]:
    """URLs of shards that fail in different ways; nine of them from the start."""
    large = peers.bulk(INFO + b"field:%0100d\r\n" % 0 * 180_000)
    with contextlib.ExitStack() as stack:
        bad = [
            stack.enter_context(Peer(fault))
            for fault in (
                peers.sends_nothing,
                peers.sends_slowly,
                peers.sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                peers.closes(b"$100\r\nabc"),
                peers.streams(b"*9999999\r\n", b"$1\r\na\r\n" * 999),
                peers.replies_to_info(lambda: large),
            )
        ]
        for peer in bad:
            peer.bad = True
        stopped, locked = RealServer(), RealServer(password="s3cret")
        for server in (stopped, locked):
            stack.enter_context(server)
        stopped.suspend()
        stack.callback(stopped.resume)
        yield [
            *(peer.url for peer in bad),
            f"redis://127.0.0.1:{free_port()}",
            "redis://no-such-host.invalid:6379",
            stopped.url,
            f"redis://:wr0ng@127.0.0.1:{locked.port}",
        ]


@pytest.mark.parametrize(
    ("healthy", "faulty", "servers", "interval", "polls"),
    [
        (100, 10, 1, 0.25, 8),
        pytest.param(*(1000, 100, 4, 1.0, 30), marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_all_healthy_shards_are_polled_equally_often_among_faulty_ones(
    healthy: int, faulty: int, servers: int, interval: float, polls: int, promise: Promise
) -> None:
    with contextlib.ExitStack() as stack:
        urls = stack.enter_context(faulty_urls())
        assert len(urls) == KINDS
        real = [stack.enter_context(RealServer()) for _ in range(servers)]
        watching = stack.enter_context(
            watching_daemon(
                min_interval=interval, max_interval=interval, jitter=0.1, max_backoff=2.0
            )
        )
        good = {f"good-{n:04}": real[n % servers].url for n in range(healthy)}
        bad = {f"bad-{n:03}": urls[n % KINDS] for n in range(faulty)}
        tables: list[dict[str, Any]] = [{"id": ident, "url": url} for ident, url in good.items()]
        tables += [{"id": ident, "url": url, **SHORT} for ident, url in bad.items()]
        watching.watch_each(tables)
        wait_until(
            lambda: _states(watching) == {"up": healthy, "down": faulty}, 2 * LONG, "their states"
        )
        before, since = watching.stats()["poll"], watching.newest()
        first = {facts["id"]: facts for facts in watching.all_facts()}
        more: list[int] = []

        def went_on() -> bool:
            """Whether healthy and failing shards were tried often enough; sets `more`."""
            now = {facts["id"]: facts for facts in watching.all_facts()}
            more[:] = [now[ident]["revision"] - first[ident]["revision"] for ident in good]
            tried = [now[ident]["failures"] - first[ident]["failures"] for ident in bad]
            return max(more) >= polls and min(tried) >= 1

        wait_until(went_on, 2 * LONG, "more polls")
        after = watching.stats()["poll"]
        counted, share = share_on_time(before, after, ON_TIME)
        tried = sum(after["failures"].values()) - sum(before["failures"].values())
        promise(
            f"{faulty} of {healthy + faulty} shards fail, in {KINDS} ways",
            "the others are polled equally often",
            f"each {min(more)} to {max(more)} times; {100 * share:.2f} % of {counted} within "
            f"{1000 * ON_TIME:g} ms (99 %: {percentile(before, after, 0.99)}), "
            f"{tried} attempts of the failing ones",
        )
        assert min(more) >= max(more) // 2
        events = watching.daemon.ask("events", since=since).body
        assert isinstance(events, list)
        assert not [event for event in events if event["shard"].startswith("good")]
        assert watching.stats()["poll"]["errors"] == 0


def _states(watching: WatchingDaemon) -> dict[str, int]:
    return {state: count for state, count in watching.stats()["shards"].items() if count}


def test_a_healthy_shard_reconnects_although_many_others_never_connect(
    server: RealServer, promise: Promise
) -> None:
    most, silent = 4, 24
    with (
        Peer(peers.closes(b"")) as peer,
        watching_daemon(max_connecting=most, max_backoff=0.5) as watching,
    ):
        shard = watching.watch("good", server.url, **NEVER)
        shard.wait_up()
        peer.bad = True
        # Those that have failed once hold as many connection attempts as they may, for an hour.
        watching.watch_all({f"silent-{n}": peer.url for n in range(silent)}, timeout=3600.0)
        wait_until(lambda: watching.stats()["shards"].get("down") == silent, LONG, "all to be down")
        peer.fault = peers.sends_nothing
        wait_until(lambda: watching.stats()["poll"]["connecting"] == most - 1, LONG, "attempts")
        since, revision, cut = watching.newest(), shard.facts()["revision"], time.time()
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        took = shard.wait_event("polling_error", since)["time"] - cut
        promise(
            f"{silent} shards never reply, {most} connects run at a time",
            "a healthy one reconnects nevertheless",
            f"{took:.2f} s",
        )
        wait_until(lambda: shard.facts()["revision"] > revision, LONG, "its next poll")
        assert watching.stats()["poll"]["connecting"] == most - 1
        assert shard.types(since) == ["polling_error"]


def test_the_share_of_polls_on_time_is_computed_from_the_histogram() -> None:
    before = {"late": {"0.01": 1, "0.1": 0, "more": 0}}
    after = {"late": {"0.01": 99, "0.1": 1, "more": 1}}
    assert share_on_time(before, after, 0.1) == (100, 0.99)
    assert percentile(before, after, 0.98) == "0.01 s"
    assert percentile(before, after, 0.99) == "0.1 s"
    assert percentile(before, after, 1.0) == "more"
