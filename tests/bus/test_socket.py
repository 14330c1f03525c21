"""One socket of the bus, in this process: limits of subscriptions, and refused topics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gevent
import pytest
import zmq
import zmq.green

from tests.promises import Promise
from tests.waiting import wait_until
from zinfo.bus import socket
from zinfo.bus.field_sets import FieldSets
from zinfo.bus.socket import BusSocket
from zinfo.health.stats import BusStats
from zinfo.security.bus_endpoints import BusEndpoint
from zinfo.security.bus_rights import BusRights

MOST = 50


@pytest.fixture
def stats() -> BusStats:
    return BusStats()


@pytest.fixture(params=["tcp", "ipc"])
def bus(
    request: pytest.FixtureRequest,
    stats: BusStats,
    short_tmp: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[BusSocket]:
    """A socket without keys, with a low limit of topics."""
    monkeypatch.setattr(socket, "MAX_SOCKET_TOPICS", MOST)
    context: Any = zmq.green.Context()
    endpoint = "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{short_tmp}/bus"

    def fence(socket: BusSocket, topic: bytes, refused: Sequence[bytes]) -> None:
        socket.send((topic, b"", b",".join(refused)))

    bus = BusSocket(
        context,
        BusEndpoint(BusRights(shards=("a",)), ("x",), endpoint),
        field_sets=FieldSets(),
        stats=stats,
        high_water_mark=1000,
        secret_key=None,
        domain=b"",
        publish_fence=fence,
        on_subscribed_change=int,
    )
    greenlets = [gevent.spawn(bus.read), gevent.spawn(bus.count_connections)]
    yield bus
    bus.close()
    gevent.joinall(greenlets, timeout=30, raise_error=True)
    context.destroy(linger=0)


def test_above_the_limit_of_a_socket_the_connection_with_most_topics_is_closed(
    bus: BusSocket, stats: BusStats, promise: Promise
) -> None:
    with (
        zmq.green.Context() as context,
        context.socket(zmq.SUB) as honest,
        context.socket(zmq.XSUB) as flood,
    ):
        for socket in (honest, flood):
            socket.linger = 0
            socket.reconnect_ivl = (
                -1
            )  # a new connection would bring the topics of the closed one back
            socket.connect(bus.address)
        for number in range(10):
            honest.subscribe(b"z1/info/a-%d/" % number)
        honest.subscribe(b"~fence/1")
        assert honest.poll(30_000)
        assert honest.recv_multipart()[0] == b"~fence/1"
        for number in range(MOST):
            flood.send(b"\x01z1/event/a-%d/" % number)
        wait_until(lambda: stats.cut, what="a connection to be closed", sleep=gevent.sleep)
        wait_until(lambda: stats.topics == 10, what="its topics to go", sleep=gevent.sleep)
        assert stats.cut == 1
        honest.subscribe(b"~fence/2")
        assert honest.poll(30_000)
        assert honest.recv_multipart()[0] == b"~fence/2"
        assert not honest.poll(50), "its first fence would be repeated only after a reconnect"
    promise("one of two clients exceeds the limit", "it is disconnected", "1 connection closed")


def test_a_fence_lists_the_topics_refused_to_its_own_connection(bus: BusSocket) -> None:
    with (
        zmq.green.Context() as context,
        context.socket(zmq.SUB) as one,
        context.socket(zmq.SUB) as other,
    ):
        for socket, topic in ((one, b"z1/info/b/"), (other, b"z1/info/a/")):
            socket.linger = 0
            socket.connect(bus.address)
            socket.subscribe(topic)
            socket.subscribe(b"~fence/" + topic[-2:-1])
        assert one.poll(30_000)
        assert one.recv_multipart() == [b"~fence/b", b"", b"z1/info/b/"]
        assert other.poll(30_000)
        assert other.recv_multipart() == [b"~fence/a", b"", b""]
