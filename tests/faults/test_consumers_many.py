"""Very many subscriptions, and very many connections."""

from __future__ import annotations

import contextlib
import resource
import threading
import time
from collections.abc import Iterator

import pytest

from tests.daemons import RunningDaemon
from tests.faults.consuming import MIB, QUICK, resident, stats, watching
from tests.promises import Promise
from tests.security.zmtp import RawPeer, frame
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.bus.topic_limits import MAX_CLIENT_TOPICS
from zinfo.wire.bus_messages import topic

CONNECTIONS = 5000
MANY_TOPICS = 200_000
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


def subscribe_to_many(peer: RawPeer, count: int) -> None:
    """Subscribe to many topics, until the daemon closes the connection."""
    with contextlib.suppress(OSError):
        for begin in range(0, count, STEP):
            names = range(begin, begin + STEP)
            peer.socket.sendall(
                b"".join(frame(SUBSCRIBE + topic("info", f"unused-{name}")) for name in names)
            )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_subscriber_to_too_many_topics_is_disconnected_and_delays_no_other_client(
    server: RealServer, promise: Promise
) -> None:
    with (
        RunningDaemon([server.url], environ=QUICK) as daemon,
        watching(daemon.bus, topic("info")) as healthy,
        RawPeer(daemon.bus, b"SUB") as greedy,
    ):
        before, begin, started = resident(daemon), len(healthy.seqs), time.monotonic()
        greedy.socket.settimeout(HANGS)
        sender = threading.Thread(target=subscribe_to_many, args=(greedy, MANY_TOPICS))
        sender.start()
        worst = 0.0
        while sender.is_alive():
            worst = max(worst, ask_for(daemon, 0.1))
        sender.join()
        wait_until(lambda: stats(daemon)["bus"]["topics"] < 10, HANGS, "its topics to be removed")
        took, grown = time.monotonic() - started, (resident(daemon) - before) / MIB
        polls = len(healthy.seqs) - begin
        wait_until(lambda: len(healthy.seqs) > begin + polls + 10, what="more polls")
        promise(
            f"one subscriber, {MANY_TOPICS} topics at once",
            f"disconnected with more than {MAX_CLIENT_TOPICS}; others served, and lose nothing",
            f"{took:.1f} s, +{grown:.0f} MiB; others: slowest reply {worst:.3f} s, bus lost "
            f"{healthy.lost} of {polls}, latest {healthy.latest(begin):.3f} s",
        )
        assert healthy.lost == 0
        assert stats(daemon)["bus"]["refused"] >= 1


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
