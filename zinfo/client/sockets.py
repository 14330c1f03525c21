"""The two sockets of a Mirror or Subscriber: do what a Link asks for, give what arrives.

They belong to one thread. `poll()` then receiving without waiting, until nothing is left, is the
one pattern that is right for zmq, zmq.green and zmq.asyncio alike (where RCVTIMEO does nothing, and
a socket that is read in two ways at once misses its wake-up). Only the waiting differs: `wait` here
blocks, `zinfo.aio` has another.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import zmq

from zinfo.client.bus_session import Action, Ask, JoinBus, LeaveBus, OpenQuery
from zinfo.errors import ProtocolError
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import Request, encode_request, split_envelope

RECEIVE_QUEUE = 10_000  # messages that wait in this process before the daemon's side drops some
LONGEST_POLL = 0.5  # seconds; a Ctrl-C that comes just before a poll is seen only after it
OPTIONS: dict[int, int] = {
    zmq.LINGER: 0,
    zmq.IPV6: 1,
    # A peer that vanished without a word is noticed after 30 + 3 * 10 seconds.
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 30,
    zmq.TCP_KEEPALIVE_INTVL: 10,
    zmq.TCP_KEEPALIVE_CNT: 3,
}

Socket: TypeAlias = "zmq.Socket[bytes]"
Context: TypeAlias = "zmq.Context[Any]"  # of plain or green sockets, or of asyncio's

# Where there is one, the clock that goes on while the machine sleeps: what was known is old then.
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
    """Return a socket that connects to the endpoint.

    Args:
        context: makes the socket.
        kind: zmq.SUB and the like.
        endpoint: where to.
        queue: messages that may wait to be received.
        keys: by which client and daemon know each other; None where the daemon asks for none.

    Raises:
        ProtocolError: ZeroMQ does not take the endpoint.
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
    """Return a socket for requests."""
    return connect(context, zmq.DEALER, endpoint, keys=keys)


def send_request(socket: Socket, request: Request) -> None:
    """Send a request; where it would wait, it is dropped, as if it were lost on its way."""
    with contextlib.suppress(zmq.Again):
        _at_once(socket.send_multipart([b"", *encode_request(request)], zmq.NOBLOCK))


def receive(socket: Socket) -> list[bytes] | None:
    """Return the next message without waiting; None where there is none."""
    try:
        frames: list[bytes] = _at_once(socket.recv_multipart(zmq.NOBLOCK))
    except zmq.Again:
        return None
    return frames


def _at_once(result: Any) -> Any:
    """Return what a call gave that does not wait: zmq.asyncio has it in a future that is done."""
    told = getattr(result, "result", None)
    return result if told is None else told()


def receive_reply(socket: Socket) -> list[bytes] | None:
    """Return the next reply without its envelope and without waiting; None where there is none."""
    frames = receive(socket)
    if frames is None:
        return None
    try:
        return split_envelope([b"-", *frames])[1]  # of a DEALER, the empty frame comes first
    except ProtocolError:
        return []


def wait(sockets: list[Socket], seconds: float) -> None:
    """Wait until one of the sockets can be read, or the time has passed; or for less than that."""
    seconds = min(seconds, LONGEST_POLL)
    if not sockets:
        time.sleep(max(0.0, seconds))
        return
    # zmq.green's poller, where these are its sockets; it is not told by their type in public.
    poller = getattr(sockets[0], "_poller_class", zmq.Poller)()
    for socket in sockets:
        poller.register(socket, zmq.POLLIN)
    poller.poll(max(0, int(seconds * 1000) + 1))


class Sockets:
    """What a Link has open.

    Args:
        context: makes the sockets; None for the process's own.
        keys: by which client and daemon know each other; None where the daemon asks for none.
    """

    def __init__(self, context: Context | None = None, keys: ClientKeys | None = None) -> None:
        self._keys = keys
        self._context: Context = context or zmq.Context.instance()
        self._query: Socket | None = None
        self._bus: Socket | None = None

    def perform(self, action: Action) -> None:
        """Carry out one action.

        Raises:
            ProtocolError: ZeroMQ does not take the endpoint.
        """
        if isinstance(action, OpenQuery):
            self._close_query()
            self._query = open_query(self._context, action.endpoint, self._keys)
        elif isinstance(action, Ask):
            if self._query is not None:
                send_request(self._query, action.request)
        elif isinstance(action, JoinBus):
            self._leave()
            self._bus = connect(self._context, zmq.SUB, action.endpoint, RECEIVE_QUEUE, self._keys)
            for topic in action.topics:
                self._bus.subscribe(topic)
        elif isinstance(action, LeaveBus):
            self._leave()

    def wait(self, seconds: float) -> None:
        """Wait until something can be received, or the time has passed."""
        wait(self.opened(), seconds)

    def opened(self) -> list[Socket]:
        """Return the sockets that are open now."""
        return [socket for socket in (self._bus, self._query) if socket is not None]

    def bus_messages(self, limit: int) -> Iterator[list[bytes]]:
        """Yield what is there of the bus, at most `limit` messages."""
        for _ in range(limit):
            if self._bus is None:  # closed on account of the last message
                return
            frames = receive(self._bus)
            if frames is None:
                return
            yield frames

    def replies(self) -> Iterator[list[bytes]]:
        """Yield the replies that are there, without their envelopes."""
        while self._query is not None:
            frames = receive_reply(self._query)
            if frames is None:
                return
            yield frames

    def close(self) -> None:
        """Close what is open."""
        self._close_query()
        self._leave()

    def _close_query(self) -> None:
        if self._query is not None:
            self._query.close(0)
            self._query = None

    def _leave(self) -> None:
        if self._bus is not None:
            self._bus.close(0)
            self._bus = None
