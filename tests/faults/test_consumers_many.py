"""Very many subscriptions, and very many connections."""

from __future__ import annotations

import contextlib
import resource
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.daemons import RunningDaemon
from tests.faults.consuming import MIB, QUICK, resident, stats, watching
from tests.promises import Promise
from tests.security.zmtp import RawPeer, frame
from tests.servers import RealServer
from zinfo.wire.bus_messages import topic

CONNECTIONS = 5000
MOST_TOPICS = 100_000  # held by the daemon, of all subscribers together
STEP = 2000
HANGS = 200.0
"""Seconds after which the daemon hangs."""
SUBSCRIBE = b"\x01"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Raise this process's limit of file descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ask_for(daemon: RunningDaemon, seconds: float) -> float:
    """Send pings for a while; return the longest time until a reply."""
    worst, begun = 0.0, time.monotonic()
    while time.monotonic() - begun < seconds:
        sent = time.monotonic()
        assert daemon.ask("ping").error is None
        worst = max(worst, time.monotonic() - sent)
    return worst


def subscribe_to_many(peer: RawPeer, count: int, pause: Callable[[], object]) -> None:
    """Subscribe to many topics, with pauses."""
    for begin in range(0, count, STEP):
        names = range(begin, begin + STEP)
        peer.socket.sendall(
            b"".join(frame(SUBSCRIBE + topic("info", f"unused-{name}")) for name in names)
        )
        pause()


def taken(daemon: RunningDaemon, count: int) -> float:
    """Send pings until all topics are accepted or refused; return the slowest reply's time."""
    worst, begun = 0.0, time.monotonic()
    while True:
        sent = time.monotonic()
        bus = stats(daemon)["bus"]
        worst = max(worst, time.monotonic() - sent)
        if bus["topics"] + bus["refused"] >= count:
            return worst
        assert time.monotonic() - begun < HANGS, bus


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [200_000, 1_000_000])
def test_the_topics_of_one_subscriber_are_limited_and_delay_no_other_client(
    server: RealServer, promise: Promise, count: int
) -> None:
    with (
        RunningDaemon([server.url], environ=QUICK) as daemon,
        watching(daemon.bus, topic("info")) as healthy,
        RawPeer(daemon.bus, b"SUB") as greedy,
    ):
        before, begin, started = resident(daemon), len(healthy.seqs), time.monotonic()
        greedy.socket.settimeout(None)
        sender = threading.Thread(target=subscribe_to_many, args=(greedy, count, lambda: None))
        sender.start()
        worst = taken(daemon, count)
        sender.join()
        took, grown = time.monotonic() - started, (resident(daemon) - before) / MIB
        bus = stats(daemon)["bus"]
        latest, polls = healthy.latest(begin), len(healthy.seqs) - begin
        greedy.close()
        ended = time.monotonic()
        worst_after = 0.0
        while stats(daemon)["bus"]["topics"] > 10:
            worst_after = max(worst_after, ask_for(daemon, 0.1))
            assert time.monotonic() - ended < HANGS
        promise(
            f"one subscriber, {count} topics at once",
            f"{MOST_TOPICS} held, the others refused and counted; others served",
            f"{took:.1f} s, +{grown:.0f} MiB, {bus['topics']} held, {bus['refused']} refused; "
            f"others: slowest reply {worst:.3f} s, bus lost {healthy.lost} of {polls}, latest "
            f"{latest:.3f} s; forgotten in {time.monotonic() - ended:.1f} s, slowest reply "
            f"meanwhile {worst_after:.3f} s",
        )
        assert bus["topics"] <= MOST_TOPICS
        assert healthy.lost == 0


@pytest.mark.slow
def test_five_thousand_connections_and_all_others_are_served(
    server: RealServer, many_files: None, promise: Promise
) -> None:
    with (
        RunningDaemon([server.url], environ=QUICK) as daemon,
        watching(daemon.bus, topic("info")) as healthy,
        contextlib.ExitStack() as stack,
    ):
        before, begin, started = resident(daemon), len(healthy.seqs), time.monotonic()
        peers = []
        for number in range(CONNECTIONS):
            where, kind = (daemon.bus, b"SUB") if number % 2 else (daemon.query, b"DEALER")
            peers.append(stack.enter_context(RawPeer(where, kind)))
        took = time.monotonic() - started
        for peer in peers[1::2]:
            peer.socket.sendall(frame(SUBSCRIBE + topic("hb")))
        worst = ask_for(daemon, 3)
        used = peers[::2][::100]
        for peer in used:
            peer.send(b"", b"ZI1", b"\x81\xa2op\xa4ping")
            assert peer.recv()[1] == b"ZI1"
        for peer in peers[1::2][::100]:
            assert peer.recv()[0].startswith(topic("hb"))
        grown = (resident(daemon) - before) / MIB
        promise(
            f"{CONNECTIONS} connections, half of them subscribed",
            "all served; others get replies and lose nothing",
            f"made in {took:.1f} s, +{grown:.0f} MiB ({grown * 1024 / CONNECTIONS:.1f} KiB each); "
            f"slowest reply {worst:.3f} s, bus lost {healthy.lost}, "
            f"latest {healthy.latest(begin):.3f} s",
        )
        assert healthy.lost == 0
        assert grown < 200
