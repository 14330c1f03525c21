"""Recognises what a server speaks that does not reply as a Redis server: TLS, no TLS, or HTTP.

The bytes of a reply show it. A server that closes the connection, or sends nothing, is asked once
more on another connection: with a TLS greeting if the shard has none, else with a PING without TLS.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import gevent

from zinfo.poll.errors import OTHER, PROTOCOL, TIMEOUT, TLS, ErrorReplyError, PollError
from zinfo.poll.tls_connection import verified_name
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.wire.addresses import ShardAddress, parse_shard_url

PROBE_SECONDS = 1.0
"""Seconds until a server must have replied to the probe."""

MEMORY_SECONDS = 30.0
"""Seconds, at least, between two probes of a shard that fails in the same way."""

_HEAD = 16  # bytes of a reply that are looked at
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")  # an alert or a handshake, and the version's first byte
_HTTP = (b"http/", b"<!doctype", b"<html")  # HTTP/0.9, the reply to garbage, has no status line
_RESP_TYPES = (b"+", b"-")  # first byte of a reply to PING
_UNVERIFIED = "CERTIFICATE_VERIFY_FAILED"  # in OpenSSL's text: the server does speak TLS
_PING = b"*1\r\n$4\r\nPING\r\n"


def not_redis(head: bytes) -> PollError:
    """Return the error for a reply that is not RESP.

    Args:
        head: its first bytes.
    """
    if head.startswith(_TLS_RECORDS):
        return PollError("the server speaks TLS: use rediss://", TLS)
    if _is_http(head):
        return PollError("an HTTP server replies at this address", PROTOCOL)
    return PollError("the server does not speak the Redis protocol", PROTOCOL)


def _is_http(head: bytes) -> bool:
    return head.lower().startswith(_HTTP)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of a probe.

    Attributes:
        reason: of the failure that was the cause of the probe.
        found: the error that explains the failure; None if the probe explains nothing.
        until: monotonic clock until which the result is used again for this reason.
    """

    reason: str
    found: PollError | None
    until: float


def diagnose(
    shard_options: Any, error: PollError, before: Diagnosis | None, now: float
) -> Diagnosis | None:
    """Probe the server of a shard that could not be connected; blocks for a second at most.

    Args:
        shard_options: as in `RedisShard.redis_conn`.
        error: why the connection or the first INFO failed.
        before: the shard's last diagnosis.
        now: monotonic clock.

    Returns:
        The diagnosis, `before` if it is still valid; None if a probe cannot explain the error.
    """
    if not isinstance(shard_options, ConnectionOptions):
        return None
    address = parse_shard_url(shard_options.url)
    if address.path or not _is_unexplained(address, error):
        return None
    if before is not None and before.reason == error.reason and now < before.until:
        return before
    until = now + MEMORY_SECONDS * random.uniform(1, 2)  # many shards may have failed together
    name = shard_options.tls_server_name or verified_name(address.host)
    return Diagnosis(error.reason, _probe(address, name), until)


def _is_unexplained(address: ShardAddress, error: PollError) -> bool:
    if error.reason == TLS:
        return address.tls and _UNVERIFIED not in error.message
    return error.reason in (OTHER, TIMEOUT) and not isinstance(error, ErrorReplyError)


def _probe(address: ShardAddress, server_name: str) -> PollError | None:
    head = b""
    with (
        contextlib.suppress(OSError),
        gevent.Timeout(PROBE_SECONDS, TimeoutError()),
        socket.create_connection((address.host, address.port)) as sock,
    ):
        sock.sendall(_PING if address.tls else _tls_greeting(server_name))
        head = sock.recv(_HEAD)
    if address.tls and head.startswith(_RESP_TYPES):
        return PollError("the server does not speak TLS: use redis://", TLS)
    if _is_http(head) or (head.startswith(_TLS_RECORDS) and not address.tls):
        return not_redis(head)
    return None


def _tls_greeting(server_name: str) -> bytes:
    """Return a ClientHello of this Python's TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        incoming = ssl.MemoryBIO()
        context.wrap_bio(incoming, outgoing, server_hostname=server_name).do_handshake()
    return outgoing.read()
