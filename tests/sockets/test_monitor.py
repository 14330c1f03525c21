"""The number of connections to a socket, from ZeroMQ's monitor events."""

from __future__ import annotations

from typing import Any

import gevent
import zmq
import zmq.green

from tests.waiting import wait_until
from zinfo.sockets.monitor import ConnectionMonitor


def test_connections_are_counted_until_the_socket_is_closed() -> None:
    context: Any = zmq.green.Context()
    socket = context.socket(zmq.XPUB)
    connections = ConnectionMonitor(socket)  # before a client can connect
    socket.bind("tcp://127.0.0.1:*")
    seen: list[int] = []
    counting = gevent.spawn(connections.run, lambda: seen.append(len(connections)))
    try:
        with zmq.Context() as other, other.socket(zmq.SUB) as subscriber:
            subscriber.connect(socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
            wait_until(lambda: seen[-1:] == [1], what="a connection", sleep=gevent.sleep)
        wait_until(lambda: seen[-1:] == [0], what="its end", sleep=gevent.sleep)
        socket.close(linger=0)
        counting.join(5)
        assert counting.successful()
        assert not connections
    finally:
        counting.kill()
        context.destroy(linger=0)


def test_a_connection_made_before_the_first_look_is_counted() -> None:
    context: Any = zmq.green.Context()
    socket = context.socket(zmq.XPUB)
    connections = ConnectionMonitor(socket)
    socket.bind("tcp://127.0.0.1:*")
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
    try:
        with zmq.Context() as other, other.socket(zmq.SUB) as subscriber:
            subscriber.subscribe(b"")
            subscriber.connect(endpoint)
            assert socket.recv() == b"\x01"  # it is connected
            connections.drain()
            assert len(connections) == 1
    finally:
        socket.close(linger=0)
        connections.close()
        assert not connections
        context.destroy(linger=0)
