"""What is at an endpoint that does not answer, decided from an error or the first bytes. Pure.

The bytes of ZeroMQ are those of ZMTP 3 (https://rfc.zeromq.org/spec/23/): both sides send a
greeting of 64 bytes, and then, if neither side has keys, a command READY with the type of socket.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

QUERY_PORT = "the query endpoint is usually port 9736"

START = (
    "start a daemon with `zinfo serve`, or give the address of a running one with --connect or "
    "ZINFO_CONNECT"
)

QUERY, BUS, EITHER = "query", "bus", "query or bus"
"""The role of an endpoint."""

SIGNATURE_LENGTH = 10
"""Bytes that a ZeroMQ socket sends before it has received any."""

VERSION_LENGTH = 12
"""Bytes of a greeting after which the other side sends the rest of its own."""

GREETING_LENGTH = 64
"""Bytes of a greeting: signature, version (2), mechanism (20), as-server (1) and filler (31)."""

HEAD_LENGTH = 9
"""Bytes of another program's reply that are looked at."""

GREETING = (b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL").ljust(GREETING_LENGTH, b"\0")
"""The greeting of a client without keys."""

PING = b"PING\r\n\r\n"
"""A request to which Redis replies +PONG or -NOAUTH, an HTTP server 400, and TLS an alert."""

_CHECK = "check the address"
_MECHANISM = slice(12, 32)
_SOCKET_TYPE = b"\x0bSocket-Type"  # name of a property in READY; the value has a length of 4 bytes
_HTTP = (b"http/", b"<!doctype", b"<html")  # HTTP/0.9, the reply to garbage, has no status line
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")  # an alert or a handshake, and the version's first byte


class Finding(NamedTuple):
    """What is at an endpoint.

    Attributes:
        text: why it does not answer.
        advice: what to do.
        role: QUERY or BUS if it is such an endpoint of a daemon, and would accept this client;
            EITHER if it may be one of them; else "".
    """

    text: str
    advice: str
    role: str = ""


TLS = Finding("this port speaks TLS, which daemons do not", QUERY_PORT)


def from_error(error: OSError, host: str) -> Finding:
    """Return why there is no connection.

    Args:
        error: of the lookup of the host name, or of the connection.
        host: the host of the endpoint.
    """
    if isinstance(error, socket.gaierror):
        return Finding(f"the host name {host} is not known ({error.strerror})", _CHECK)
    if isinstance(error, ConnectionRefusedError):
        return Finding("connection refused", START)
    if isinstance(error, FileNotFoundError):
        return Finding("there is no such socket", START)
    if isinstance(error, TimeoutError):
        return Finding("no connection within 1 s", f"{_CHECK}, and firewalls in between")
    return Finding(error.strerror or type(error).__name__, _CHECK)


def is_zeromq(head: bytes) -> bool:
    """Return whether these are the first bytes of a ZeroMQ socket."""
    signature = head[:SIGNATURE_LENGTH]
    return len(signature) == SIGNATURE_LENGTH and (signature[0], signature[-1]) == (0xFF, 0x7F)


def is_complete(data: bytes) -> bool:
    """Return whether everything that `from_zeromq` looks at has been received."""
    has_mechanism = len(data) >= _MECHANISM.stop
    return has_mechanism and (_mechanism(data) != b"NULL" or _socket_type(data) != "")


def from_zeromq(data: bytes, *, with_keys: bool) -> Finding:
    """Return what a ZeroMQ socket is.

    Args:
        data: its greeting, and its READY as far as it was received.
        with_keys: whether the client has CURVE keys.
    """
    mechanism = _mechanism(data)
    if mechanism == b"CURVE" and with_keys:  # its type is encrypted
        text = "it does not accept this key, has another --server-key, or is the bus"
        return Finding(text, QUERY_PORT, EITHER)
    if mechanism == b"CURVE":
        return Finding("it requires keys", "give --server-key and --client-key")
    kind = _socket_type(data)
    if kind == "ROUTER" and with_keys:
        return Finding("it has no keys", "leave out --server-key and --client-key")
    if kind == "ROUTER":
        text = "it accepts the connection, but does not reply"
        return Finding(text, "the daemon may be overloaded: try a longer --timeout", QUERY)
    if kind == "XPUB":
        return Finding("this is the bus of a daemon", QUERY_PORT, BUS)
    what = f"type {kind}" if kind else "another program"
    return Finding(f"this is a ZeroMQ socket of {what}", QUERY_PORT)


def from_other(head: bytes) -> Finding:
    """Return which other program sends these first bytes; none at all if it sends nothing."""
    if head.lower().startswith(_HTTP):
        return Finding("this is an HTTP server", QUERY_PORT)
    if head.startswith((b"+", b"-")):
        advice = "start a daemon that polls it with `zinfo serve --shard redis://HOST:PORT`"
        return Finding("this is a Redis server", advice)
    if head.startswith(_TLS_RECORDS):
        return TLS
    if head:
        return Finding("this is a program that does not speak ZeroMQ", QUERY_PORT)
    text = "a program accepts the connection, but sends nothing"
    return Finding(text, "it is stopped, or is no daemon")


def _mechanism(data: bytes) -> bytes:
    return data[_MECHANISM].rstrip(b"\0")


def _socket_type(data: bytes) -> str:
    """Return the type of socket in a READY command; "" if it is not complete."""
    _, _, rest = data.partition(_SOCKET_TYPE)
    length = int.from_bytes(rest[:4], "big")
    kind = rest[4 : 4 + length]
    return kind.decode("ascii") if len(kind) == length and kind.isalpha() else ""
