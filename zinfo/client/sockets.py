"""The query and bus sockets of a BusSession, and non-blocking I/O on them.

Sockets belong to one thread. `poll()`, then receiving without waiting until the socket is empty, is
the only pattern that works for zmq, zmq.green and zmq.asyncio: RCVTIMEO has no effect in
zmq.asyncio, and a socket that is read in two ways at once misses wake-ups. Only waiting differs:
`wait` blocks the thread or greenlet, and `zinfo.aio.poller` awaits.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import zmq

from zinfo.client.bus_session import Action, CloseBus, OpenBus, OpenQuery, SendRequest
from zinfo.errors import ProtocolError
from zinfo.wire.bus_messages import BATCH_TOPIC, FIELDS_ROOT
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import Request, encode_request, split_envelope

RECEIVE_QUEUE = 10_000  # ZMQ_RCVHWM: messages queued in this process; then the daemon queues
BATCH_QUEUE = 1_000  # the same where most messages are batches, of some ten deltas and 16 KiB each
MAX_POLL_SECONDS = 0.5  # a Ctrl-C that arrives just before a poll is handled after it
OPTIONS: dict[int, int] = {
    zmq.LINGER: 0,
    zmq.IPV6: 1,
    # A peer that vanished without closing the connection is noticed after 30 + 3 * 10 seconds.
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 30,
    zmq.TCP_KEEPALIVE_INTVL: 10,
    zmq.TCP_KEEPALIVE_CNT: 3,
}

# The methods of zmq.Socket that wrap these functions cost as much as the functions.
_receive = zmq.backend.Socket.recv
_get = zmq.backend.Socket.get

Socket: TypeAlias = "zmq.Socket[bytes]"
Context: TypeAlias = "zmq.Context[Any]"  # also zmq.green.Context and zmq.asyncio.Context

# CLOCK_BOOTTIME, where it exists, includes the time that the machine was suspended.
clock = (
    functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)


def connect(
    context: Context,
    kind: int,
    endpoint: str,
    queue: int | None = None,
    keys: ClientKeys | None = None,
) -> Socket:
    """Return a new socket that is connecting to an endpoint.

    Args:
        context: creates the socket.
        kind: socket type, such as zmq.SUB.
        endpoint: to connect to.
        queue: ZMQ_RCVHWM; None for the default.
        keys: CURVE keys; None for a daemon without CURVE.

    Raises:
        ProtocolError: ZeroMQ rejects the endpoint.
    """
    socket: Socket = context.socket(kind)
    try:
        for option, value in OPTIONS.items():
            socket.set(option, value)
        if queue is not None:
            socket.set(zmq.RCVHWM, queue)
        if keys is not None:
            socket.set(zmq.CURVE_SERVERKEY, keys.server)
            socket.set(zmq.CURVE_PUBLICKEY, keys.own.public)
            socket.set(zmq.CURVE_SECRETKEY, keys.own.secret)
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        socket.close(0)
        raise ProtocolError(f"cannot connect to {endpoint}: {error}") from error
    return socket


def open_query(context: Context, endpoint: str, keys: ClientKeys | None = None) -> Socket:
    """Return a new DEALER socket for requests."""
    return connect(context, zmq.DEALER, endpoint, keys=keys)


def send_request(socket: Socket, request: Request) -> None:
    """Send a request; drop it where sending would block, as if it were lost in transit."""
    with contextlib.suppress(zmq.Again):
        _at_once(socket.send_multipart([b"", *encode_request(request)], zmq.NOBLOCK))


def receive(socket: Socket) -> list[bytes] | None:
    """Return the next message, or None; does not wait."""
    try:
        if type(socket) is zmq.Socket:
            return _receive_plain(socket)
        frames: list[bytes] = _at_once(socket.recv_multipart(zmq.NOBLOCK))
    except zmq.Again:
        return None
    return frames


def _receive_plain(socket: Socket) -> list[bytes]:
    """Do what `recv_multipart` does, in half of its time."""
    frames = [_receive(socket, zmq.NOBLOCK)]
    while _get(socket, zmq.RCVMORE):
        frames.append(_receive(socket, zmq.NOBLOCK))
    return frames


def _at_once(result: Any) -> Any:
    """Return the result of a non-blocking call; zmq.asyncio returns a future that is done."""
    result_of_future = getattr(result, "result", None)
    return result if result_of_future is None else result_of_future()


def receive_reply(socket: Socket) -> list[bytes] | None:
    """Return the next reply without its envelope, or None; does not wait."""
    frames = receive(socket)
    if frames is None:
        return None
    try:
        return split_envelope([b"-", *frames])[1]  # a DEALER receives the empty frame first
    except ProtocolError:
        return []


def wait(sockets: list[Socket], seconds: float) -> None:
    """Wait until a socket is readable or the time has passed; it may return earlier."""
    seconds = min(seconds, MAX_POLL_SECONDS)
    if not sockets:
        time.sleep(max(0.0, seconds))
        return
    # zmq.green's poller for zmq.green's sockets; pyzmq has no public way to find it.
    poller = getattr(sockets[0], "_poller_class", zmq.Poller)()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    poller.poll(max(0, int(seconds * 1000) + 1))


class Sockets:
    """The query socket and the bus socket of a BusSession.

    Args:
        context: creates the sockets; None for the process's default context.
        keys: CURVE keys; None for a daemon without CURVE.
    """

    def __init__(self, context: Context | None = None, keys: ClientKeys | None = None) -> None:
        self._keys = keys
        self._context: Context = context or zmq.Context.instance()
        self._query: Socket | None = None
        self._bus: Socket | None = None

    def perform(self, action: Action) -> None:
        """Carry out one action of a BusSession.

        Raises:
            ProtocolError: ZeroMQ rejects the endpoint.
        """
        if isinstance(action, OpenQuery):
            self._close_query()
            self._query = open_query(self._context, action.endpoint, self._keys)
        elif isinstance(action, SendRequest):
            if self._query is not None:
                send_request(self._query, action.request)
        elif isinstance(action, OpenBus):
            self._close_bus()
            batches = any(topic.startswith((BATCH_TOPIC, FIELDS_ROOT)) for topic in action.topics)
            queue = BATCH_QUEUE if batches else RECEIVE_QUEUE
            self._bus = connect(self._context, zmq.SUB, action.endpoint, queue, self._keys)
            for topic in action.topics:
                self._bus.subscribe(topic)
        elif isinstance(action, CloseBus):
            self._close_bus()

    def wait(self, seconds: float) -> None:
        """Wait until a socket is readable or the time has passed; it may return earlier."""
        wait(self.opened(), seconds)

    def opened(self) -> list[Socket]:
        """Return the open sockets."""
        return [socket for socket in (self._bus, self._query) if socket is not None]

    def bus_messages(self, limit: int) -> Iterator[list[bytes]]:
        """Yield the bus messages that have arrived, at most `limit`."""
        for _ in range(limit):
            if self._bus is None:  # the last message reset the session
                return
            frames = receive(self._bus)
            if frames is None:
                return
            yield frames

    def replies(self) -> Iterator[list[bytes]]:
        """Yield the replies that have arrived, without their envelopes."""
        while self._query is not None:
            frames = receive_reply(self._query)
            if frames is None:
                return
            yield frames

    def close(self) -> None:
        """Close both sockets."""
        self._close_query()
        self._close_bus()

    def _close_query(self) -> None:
        if self._query is not None:
            self._query.close(0)
            self._query = None

    def _close_bus(self) -> None:
        if self._bus is not None:
            self._bus.close(0)
            self._bus = None
