"""Looks what is at an endpoint that does not answer: no host, no program, or another one.

ZeroMQ reports none of this. So after a failure the command line connects once more, without
ZeroMQ. Everything is bounded: time, bytes and the number of connections.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Sequence

from zinfo.cli import peer_kinds
from zinfo.cli.peer_kinds import Finding
from zinfo.wire.addresses import Endpoint, parse_endpoint

PROBE_SECONDS = 3.0
"""Seconds for all probes of a command together."""

_CONNECT_SECONDS = 1.0
_SILENCE_SECONDS = 0.5  # until a peer that sends nothing is taken for one that waits for a request
_MAX_PROBES = 3  # endpoints that are looked at
_MAX_BYTES = 1024  # of a peer


def probe_all(endpoints: Sequence[str], *, with_keys: bool) -> dict[str, Finding]:
    """Look at some endpoints at the same time; blocks for `PROBE_SECONDS` at most.

    Args:
        endpoints: `dns+tcp://` counts as `tcp://`. Only the first ones are looked at.
        with_keys: whether the client has CURVE keys.

    Returns:
        What was found, by endpoint, in their order. One of which nothing is known is missing.
    """
    found: dict[str, Finding] = {}

    def look(endpoint: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            found[endpoint] = probe(endpoint, with_keys=with_keys)

    # As daemons, because a name server that does not reply must not keep the command from ending.
    threads = [
        threading.Thread(target=look, args=(endpoint,), daemon=True)
        for endpoint in list(endpoints)[:_MAX_PROBES]
    ]
    until = time.monotonic() + PROBE_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    known = dict(found)  # a thread may still add one
    return {endpoint: known[endpoint] for endpoint in endpoints if endpoint in known}


def probe(endpoint: str, *, with_keys: bool) -> Finding:
    """Look at one endpoint.

    Args:
        endpoint: `tcp://`, `dns+tcp://` or `ipc://`.
        with_keys: whether the client has CURVE keys.

    Raises:
        ValueError: it is no such endpoint.
    """
    address = parse_endpoint(endpoint.removeprefix("dns+"))
    try:
        with _connected(address) as peer:
            head = _received(peer, peer_kinds.SIGNATURE_LENGTH)
            if peer_kinds.is_zeromq(head):
                return peer_kinds.from_zeromq(_greeted(peer, head), with_keys=with_keys)
            head = head or _reply_to_ping(peer)
    except OSError as error:
        return peer_kinds.from_error(error, address.host)
    if not head and address.scheme == "tcp" and _speaks_tls(address):
        return peer_kinds.TLS
    return peer_kinds.from_other(head)


def _connected(address: Endpoint) -> socket.socket:
    if address.scheme == "tcp":
        host = address.host.strip("[]")
        return socket.create_connection((host, address.port), timeout=_CONNECT_SECONDS)
    if address.scheme != "ipc":
        raise ValueError("it has no address")
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        peer.settimeout(_CONNECT_SECONDS)
        is_abstract = address.path.startswith("@")
        peer.connect(f"\0{address.path[1:]}" if is_abstract else address.path)
        stack.pop_all()
    return peer


def _received(peer: socket.socket, count: int) -> bytes:
    """Return `count` bytes, or those that arrive until a silence or the end of the connection."""
    data = b""
    until = time.monotonic() + _SILENCE_SECONDS
    with contextlib.suppress(OSError):
        while len(data) < count and (left := until - time.monotonic()) > 0:
            peer.settimeout(left)
            part = peer.recv(count - len(data))
            if not part:
                break
            data += part
    return data


def _greeted(peer: socket.socket, head: bytes) -> bytes:
    """Return what a ZeroMQ socket sends to a client without keys.

    The mechanism is sent last: a socket that requires keys then closes the connection at once.
    """
    data, rest = head, peer_kinds.GREETING[peer_kinds.VERSION_LENGTH :]
    until = time.monotonic() + _SILENCE_SECONDS
    with contextlib.suppress(OSError):
        peer.sendall(peer_kinds.GREETING[: peer_kinds.VERSION_LENGTH])
        while not peer_kinds.is_complete(data) and len(data) < _MAX_BYTES:
            if rest and len(data) >= peer_kinds.GREETING_LENGTH:
                peer.sendall(rest)
                rest = b""
            peer.settimeout(max(1e-3, until - time.monotonic()))
            part = peer.recv(_MAX_BYTES)
            if not part:
                break
            data += part
    return data


def _reply_to_ping(peer: socket.socket) -> bytes:
    with contextlib.suppress(OSError):
        peer.sendall(peer_kinds.PING)
    return _received(peer, peer_kinds.HEAD_LENGTH)


def _speaks_tls(address: Endpoint) -> bool:
    """Return whether a peer replies to a TLS handshake, which is not verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _connected(address) as peer, context.wrap_socket(peer):
            return True
    except ssl.SSLError as error:  # an alert is TLS, too
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
