"""Healthy shards are polled on time while others fail."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from tests.faults import peers
from tests.faults.peers import INFO, Peer
from tests.faults.watched import SLACK, WatchingDaemon, percentile, share_on_time, watching_daemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.spawning import free_port
from tests.waiting import wait_until

ON_TIME = 0.1
"""Seconds by which 99 of 100 polls may start late."""

KINDS = 10


@contextlib.contextmanager
def faulty_urls() -> Iterator[list[str]]:
    """URLs of shards that fail in different ways; nine of them from the start."""
    large = peers.bulk(INFO + b"".join(b"f%07d:%0100d\r\n" % (n, n) for n in range(170_000)))
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
    ("healthy", "faulty", "servers", "interval", "seconds"),
    [
        (100, 10, 1, 0.5, 2),
        pytest.param(*(1000, 100, 4, 1.0, 30), marks=[pytest.mark.slow, pytest.mark.timeout(300)]),
    ],
)
def test_healthy_shards_are_polled_on_time_among_faulty_ones(
    healthy: int, faulty: int, servers: int, interval: float, seconds: int, promise: Promise
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
        watching.watch_all({**good, **{f"bad-{n:03}": urls[n % KINDS] for n in range(faulty)}})
        wait_until(lambda: _states(watching) == {"up": healthy, "down": faulty}, 60, "their states")
        before, since, started = watching.stats()["poll"], watching.newest(), time.monotonic()
        revisions = {facts["id"]: facts["revision"] for facts in watching.all_facts()}
        while time.monotonic() < started + seconds:
            time.sleep(0.1)  # the measured time
        after, took = watching.stats()["poll"], time.monotonic() - started
        facts = {facts["id"]: facts for facts in watching.all_facts()}
        fewest = min(facts[ident]["revision"] - revisions[ident] for ident in good)
        polls, share = share_on_time(before, after, ON_TIME)
        tried = sum(after["failures"].values()) - sum(before["failures"].values())
        promise(
            f"{faulty} of {healthy + faulty} shards fail, in {KINDS} ways",
            f"99 % of polls start within {1000 * ON_TIME:g} ms",
            f"{100 * share:.2f} % of {polls} (99 %: {percentile(before, after, 0.99)}), "
            f"{tried} attempts of the failing ones",
        )
        assert share >= 0.99
        assert fewest >= int((took - SLACK) / (interval * 1.1 + ON_TIME)) - 1
        assert tried >= faulty * seconds / 10, "the failing shards are tried during that time"
        events = watching.daemon.ask("events", since=since).body
        assert isinstance(events, list)
        assert not [event for event in events if event["shard"].startswith("good")]
        assert max(facts[ident]["age"] for ident in good) <= interval * 1.1 + ON_TIME + SLACK
        assert watching.stats()["poll"]["errors"] == 0


def _states(watching: WatchingDaemon) -> dict[str, int]:
    return {state: count for state, count in watching.stats()["shards"].items() if count}


def test_a_healthy_shard_reconnects_although_many_others_never_connect(
    server: RealServer, promise: Promise
) -> None:
    most, silent = 4, 24
    with (
        Peer(peers.sends_nothing) as peer,
        watching_daemon(max_connecting=most, max_backoff=0.5) as watching,
    ):
        shard = watching.watch("good", server.url)
        shard.wait_up()
        peer.bad = True
        watching.watch_all({f"silent-{n}": peer.url for n in range(silent)}, timeout=0.25)
        wait_until(lambda: watching.stats()["shards"].get("down") == silent, 60, "all to be down")
        since, cut = watching.newest(), time.time()
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        took = shard.wait_event("polling_error", since)["time"] - cut
        promise(
            f"{silent} shards never reply, {most} connects run at a time",
            f"a healthy one reconnects within {SLACK:g} s",
            f"{took:.2f} s",
        )
        assert took <= SLACK
        assert shard.types(since) == ["polling_error"]


def test_the_share_of_polls_on_time_is_computed_from_the_histogram() -> None:
    before = {"late": {"0.01": 1, "0.1": 0, "more": 0}}
    after = {"late": {"0.01": 99, "0.1": 1, "more": 1}}
    assert share_on_time(before, after, 0.1) == (100, 0.99)
    assert percentile(before, after, 0.98) == "0.01 s"
    assert percentile(before, after, 0.99) == "0.1 s"
    assert percentile(before, after, 1.0) == "more"
