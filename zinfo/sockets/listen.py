"""Making ZeroMQ sockets that listen: options before bind, and a clear error where it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import zmq
import zmq.green

from zinfo.errors import EnvironmentNotReadyError

# Generic in pyzmq's stubs, but not while running: hence the quotes.
GreenSocket: TypeAlias = "zmq.green.Socket[Any]"
GreenContext: TypeAlias = "zmq.green.Context[GreenSocket]"

_MAX_FRAME = 1 << 20  # bytes; a longer frame from a peer ends that peer's connection
# Messages of one peer that libzmq holds unread; what comes beyond waits in its connection.
_RECEIVE_HWM = 100
# An XPUB socket handles all that are held in one call, and those that arrive meanwhile: with 10,
# tens of thousands of subscriptions may be handled before that call returns.
_RECEIVE_HWM_BUS = 2
# On the bus a frame is a topic. ZeroMQ keeps some 50 bytes for each byte of one, and the longest
# honest one is that of an id of 512 characters, percent-encoded.
_MAX_TOPIC_FRAME = 8192
# Bytes that the kernel holds of what a subscriber sends: subscriptions are all that it has to say,
# and after its connection was cut ZeroMQ still reads what is there.
_RECEIVE_BUFFER = 1 << 16
_HANDSHAKE = 5000  # milliseconds; who has not said what it is by then is let go


ZAP_DOMAIN = b"zinfo"
"""Domain of the query endpoint; without a handler that knows a socket's domain nobody is let in."""


def listen(
    context: GreenContext,
    kind: int,
    endpoint: str,
    what: str,
    hwm: int,
    secret_key: bytes | None = None,
    watch: Callable[[GreenSocket], object] | None = None,
    *,
    domain: bytes = ZAP_DOMAIN,
) -> GreenSocket:
    """Return a bound green socket.

    Args:
        context: green context.
        kind: zmq.ROUTER or zmq.XPUB.
        endpoint: where to bind; a port of * takes a free one.
        what: names the socket in the error.
        hwm: high-water mark, messages held for each peer that does not read.
        secret_key: of the daemon, in Z85; then only clients with a CURVE key that ZAP lets in are
            served. None serves all.
        watch: called with the socket before anybody can connect to it.
        domain: by which the ZAP handler knows the socket.

    Raises:
        ValueError: the domain is empty: ZeroMQ would ask no handler, and let everybody in.
        EnvironmentNotReadyError: the endpoint cannot be bound.
    """
    if secret_key is not None and not domain:
        raise ValueError("a socket with keys needs a ZAP domain that is not empty")
    sock: GreenSocket = context.socket(kind)
    sock.setsockopt(zmq.LINGER, 0)
    sock.setsockopt(zmq.SNDHWM, hwm)
    sock.setsockopt(zmq.RCVHWM, _RECEIVE_HWM if kind == zmq.ROUTER else _RECEIVE_HWM_BUS)
    sock.setsockopt(zmq.MAXMSGSIZE, _MAX_FRAME if kind == zmq.ROUTER else _MAX_TOPIC_FRAME)
    sock.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE)
    # ZeroMQ's own heartbeats abort slow subscribers; the kernel's find dead peers well enough.
    sock.setsockopt(zmq.TCP_KEEPALIVE, 1)
    sock.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 30)
    sock.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 10)
    sock.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)
    if secret_key is not None:
        sock.setsockopt(zmq.CURVE_SERVER, 1)
        sock.setsockopt(zmq.CURVE_SECRETKEY, secret_key)
        sock.setsockopt(zmq.ZAP_DOMAIN, domain)  # after bind it would do nothing
        sock.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    if "[" in endpoint:
        sock.setsockopt(zmq.IPV6, 1)
    if kind == zmq.ROUTER:
        sock.setsockopt(zmq.ROUTER_MANDATORY, 1)  # or replies vanish without a word
    else:
        sock.setsockopt(zmq.RCVBUF, _RECEIVE_BUFFER)
        sock.setsockopt(zmq.XPUB_VERBOSE, 1)  # or the second subscriber's fence is not seen
    if watch is not None:
        watch(sock)
    try:
        sock.bind(endpoint)
    except zmq.ZMQError as error:
        sock.close()
        hint = " (does another daemon run there?)" if error.errno == zmq.EADDRINUSE else ""
        raise EnvironmentNotReadyError(
            f"{what}: cannot listen at {endpoint}: {zmq.strerror(error.errno or 0)}{hint}"
        ) from error
    return sock


def descriptor_of(frame: zmq.Frame) -> int | None:
    """Return the file descriptor of the connection that a frame came over; None where it has gone.

    ZeroMQ sends the end of a subscription itself where a peer has gone.
    """
    try:
        return int(str(frame.get(zmq.SRCFD)))
    except (zmq.ZMQError, ValueError):
        return None


def key_of(frame: zmq.Frame) -> str | None:
    """Return the CURVE key, in Z85, of the peer that a frame came from; None where it has none."""
    try:
        user: Any = frame.get("User-Id")
    except zmq.ZMQError:  # a message of ZeroMQ's own, such as that a peer has gone
        return None
    return str(user)


def bound_endpoint(sock: GreenSocket) -> str:
    """Return where a socket listens, with the port that it got."""
    endpoint: Any = sock.getsockopt(zmq.LAST_ENDPOINT)
    return bytes(endpoint).rstrip(b"\0").decode()
