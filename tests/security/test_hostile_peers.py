"""Hostile bytes to a running daemon: one reply or one counted drop, and no crash."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psutil
import pytest
import zmq

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.security.hostile_messages import BOMBS, STRANGERS, message
from tests.security.zmtp import GREETING, RawPeer, address, frame
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.wire.query_messages import MAGIC

MESSAGES = 4000
HALF_GREETINGS = 500
HANDSHAKE = 5.0  # seconds until a stalled handshake is closed
MIB = 1 << 20
LONGEST_TOPIC = 8192
"""Maximum bytes of a frame to the bus."""


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with RealServer() as server, RunningDaemon([server.url]) as daemon:
        daemon.wait_polled(1)
        yield daemon
        assert "Traceback" not in daemon.log()


def resident(daemon: RunningDaemon) -> float:
    return float(psutil.Process(daemon.pid).memory_info().rss / MIB)


def stats(daemon: RunningDaemon) -> Any:
    return daemon.ask("stats").body


def ping_time(daemon: RunningDaemon) -> float:
    """Send a ping, and require a reply; return the seconds until it came."""
    begun = time.monotonic()
    assert daemon.ask("ping").error is None
    return time.monotonic() - begun


def replies_within(sock: zmq.Socket[bytes], milliseconds: int) -> int:
    count = 0
    while sock.poll(milliseconds if not count else 0):
        sock.recv_multipart()
        count += 1
    return count


def test_each_message_causes_one_reply_or_one_counted_drop(
    daemon: RunningDaemon, promise: Promise
) -> None:
    dice = random.Random(20)
    dropped = sum(stats(daemon)["query"]["dropped"].values())
    with zmq.Context() as context, context.socket(zmq.DEALER) as sock:
        sock.linger = 0
        sock.connect(daemon.query)
        replies, levels = 0, []
        for sent in range(1, MESSAGES + 1):
            sock.send_multipart(message(dice))
            if sent % 40 == 0:
                replies += replies_within(sock, 20)
            if sent % 1000 == 0:
                levels.append(resident(daemon))

        def accounted() -> bool:
            nonlocal replies
            replies += replies_within(sock, 50)
            drops = sum(stats(daemon)["query"]["dropped"].values()) - dropped
            return bool(replies + drops == MESSAGES)

        wait_until(accounted, 60, "all to be accounted for")
    drops = sum(stats(daemon)["query"]["dropped"].values()) - dropped
    promise(
        f"{MESSAGES} hostile messages to the query endpoint",
        "each one reply or one counted drop; memory level",
        f"{replies} replies + {drops} drops; {levels[0]:.0f} to {levels[-1]:.0f} MiB",
    )
    assert levels[-1] - levels[0] < 10
    assert not stats(daemon)["query"]["errors"].get("internal")
    ping_time(daemon)


@pytest.mark.parametrize("name", BOMBS)
def test_a_msgpack_bomb_gets_a_reply(daemon: RunningDaemon, name: str) -> None:
    with RawPeer(daemon.query) as peer:
        peer.send(b"", MAGIC, BOMBS[name])
        assert peer.recv()[:2] == [b"", MAGIC]


def test_hostile_messages_to_the_bus_are_counted_and_do_not_affect_others(
    daemon: RunningDaemon, promise: Promise
) -> None:
    dice = random.Random(21)
    before, topics = stats(daemon)["bus"]["refused"], stats(daemon)["bus"]["topics"]
    with RawPeer(daemon.bus, b"SUB") as other, RawPeer(daemon.bus, b"XSUB") as peer:
        other.send(b"\x01z1/hb/")
        other.recv()
        plain = 0
        for _ in range(1000):
            frames = message(dice)
            if max(map(len, frames)) > LONGEST_TOPIC:
                continue  # closes the connection: see the next test
            peer.send(*frames)
            plain += len(frames) > 1 or frames[0][:1] not in (b"\0", b"\1")
        peer.send(b"\x01~fence/done")
        while peer.recv()[0] != b"~fence/done":
            pass
        refused = stats(daemon)["bus"]["refused"] - before
        other.recv()
        promise(
            "1000 hostile messages to the bus",
            "counted; others receive what they subscribed",
            f"{plain} were no subscriptions, {refused} refused",
        )
        assert refused > 0.9 * plain
    wait_until(lambda: stats(daemon)["bus"]["topics"] <= topics, what="topics to be forgotten")


def test_a_topic_that_is_too_long_closes_its_connection(
    daemon: RunningDaemon, promise: Promise
) -> None:
    before = stats(daemon)["bus"]["topics"]
    with RawPeer(daemon.bus, b"SUB") as peer:
        with contextlib.suppress(ConnectionError):
            peer.send(b"\x01" + b"x" * LONGEST_TOPIC)
        wait_until(peer.closed, what="the connection to end")
    topics = stats(daemon)["bus"]["topics"] - before
    promise("a topic of more than 8 KiB", "the connection is closed", f"{topics} more topics")
    assert topics <= 0


def test_other_protocols_are_disconnected_and_do_not_affect_others(
    daemon: RunningDaemon, promise: Promise
) -> None:
    worst = 0.0
    for endpoint in (daemon.query, daemon.bus):
        for data in STRANGERS.values():
            with socket.create_connection(address(endpoint), timeout=30) as sock:
                with contextlib.suppress(ConnectionError):  # disconnected already
                    sock.sendall(data)
                worst = max(worst, ping_time(daemon))
    promise(
        f"{len(STRANGERS)} other protocols on both ports",
        "others get replies meanwhile",
        f"slowest reply {worst:.3f} s",
    )


def test_stalled_handshakes_time_out(daemon: RunningDaemon, promise: Promise) -> None:
    files = psutil.Process(daemon.pid).num_fds()
    with ExitStack() as stack:
        peers = [
            stack.enter_context(RawPeer(daemon.query if n % 2 else daemon.bus, None))
            for n in range(HALF_GREETINGS)
        ]
        for peer in peers:
            peer.socket.sendall(GREETING[:20])
        begun = time.monotonic()
        took = ping_time(daemon)
        still_open = not peers[-1].closed()
        wait_until(lambda: all(peer.closed() for peer in peers), 60, "all to be closed")
        closed = time.monotonic() - begun
    wait_until(lambda: psutil.Process(daemon.pid).num_fds() <= files + 5, 60, "files to be closed")
    promise(
        f"{HALF_GREETINGS} connections that send half a greeting",
        f"closed after {HANDSHAKE:.0f} s; others get replies meanwhile",
        f"closed after {closed:.1f} s, a reply took {took:.3f} s",
    )
    assert still_open, "a ping does not wait until they are closed"


def test_an_endless_message_uses_memory_only_while_it_is_connected(promise: Promise) -> None:
    """High-water marks count messages, and libzmq delivers a message only when it is complete.

    Nothing in zinfo limits this; docs/reference/operations.md describes what does.
    """
    chunk = frame(b"x" * 60_000, more=True)
    with RunningDaemon() as daemon:
        levels = [resident(daemon)]
        worst = 0.0
        for _ in range(3):
            with RawPeer(daemon.query) as peer:
                for _ in range(40 * MIB // len(chunk)):
                    peer.socket.sendall(chunk)
                worst = max(worst, ping_time(daemon))
                levels.append(resident(daemon))
            wait_until(lambda: psutil.Process(daemon.pid).is_running(), what="it to live")
            worst = max(worst, ping_time(daemon))
        with RawPeer(daemon.query) as peer:
            peer.socket.sendall(b"\x02" + (2 * MIB).to_bytes(8, "big"))
            wait_until(peer.closed, what="a frame over 1 MiB to close the connection")
        promise(
            "three times 40 MiB of an endless message",
            "memory is freed with the connection",
            f"{' -> '.join(f'{level:.0f}' for level in levels)} MiB; slowest reply {worst:.3f} s",
        )
        assert levels[1] - levels[0] > 20, "is it limited now? Then update operations.md"
        assert levels[3] - levels[1] < 30
