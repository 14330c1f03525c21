"""Bus messages: topics, and headers to bytes and back. Pure: no socket, no clock.

A bus message has three frames: topic, header and body. docs/reference/protocol.md specifies them.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, unquote

from zinfo.errors import ProtocolError
from zinfo.wire.codec import VERSION, pack_fields, unpack

TOPIC_ROOT = "z1"
"""First part of every topic but the fence's; the digit is the version of the wire."""

FENCE_PREFIX = b"~fence/"
"""Start of a fence's topic: "~" sorts last, and a SUB socket subscribes in byte order."""

MAX_FENCE_TOPIC = 128
"""Longest topic of a fence, in bytes."""

KIND_INFO = "info"
KIND_DELTA = "delta"
KIND_EVENT = "event"
KIND_HEARTBEAT = "hb"
KIND_FENCE = "fence"

# Characters that a topic holds as they are, beside letters and digits; quote() adds "~" to them,
# which `quote_name` escapes.
_SAFE = "._:-@"


class Header(NamedTuple):
    """Second frame of a bus message.

    Attributes:
        version: of the wire.
        node: name of the daemon.
        epoch: random number of this run of the daemon; all counters restart with it.
        seq: revision on info and delta topics, the shard's event count on event topics, the beat on
            hb.
        time: wall clock at the daemon, seconds since the Unix epoch.
    """

    version: int
    node: str
    epoch: int
    seq: int
    time: float


def quote_name(name: str) -> str:
    """Return a shard id or node name, percent-encoded as in a topic."""
    return quote(name, safe=_SAFE, errors="backslashreplace").replace("~", "%7E")


def topic(kind: str, name: str | None = None) -> bytes:
    """Return the topic of one shard or node, or the prefix of all topics of a kind.

    Args:
        kind: one of "info", "delta", "event", "hb".
        name: shard id (node name for "hb"); None returns the prefix of all topics of the kind.
    """
    if name is None:
        return f"{TOPIC_ROOT}/{kind}/".encode()
    return f"{TOPIC_ROOT}/{kind}/{quote_name(name)}/".encode()


def fence_topic(nonce: str) -> bytes:
    """Return the topic of a fence: the daemon publishes on it once, when it is subscribed."""
    return FENCE_PREFIX + quote_name(nonce).encode()


def parse_topic(raw: bytes) -> tuple[str, str]:
    """Return kind and name (shard id, node or nonce) of a topic.

    Raises:
        ProtocolError: not a topic of this version.
    """
    if raw.startswith(FENCE_PREFIX):
        return KIND_FENCE, unquote(raw[len(FENCE_PREFIX) :].decode("ascii", "replace"))
    try:
        root, kind, name, end = raw.decode("ascii").split("/")
    except ValueError as error:
        raise ProtocolError(f"not a topic: {raw[:80]!r}") from error
    if root != TOPIC_ROOT or end:
        raise ProtocolError(f"not a topic of version {VERSION}: {raw[:80]!r}")
    return kind, unquote(name)


def pack_header(node: str, epoch: int, seq: int, time: float) -> bytes:
    """Return the header of a bus message of this version; arguments as in `Header`."""
    return pack_fields((VERSION, node, epoch, seq, time))


def unpack_header(raw: bytes) -> Header:
    """Return the header of a bus message; elements that later versions append are ignored.

    Raises:
        ProtocolError: not an array of [version, node, epoch, seq, time], or another version.
    """
    value = unpack(raw)
    if not isinstance(value, list) or len(value) < len(Header._fields):
        raise ProtocolError("a bus header is an array [version, node, epoch, seq, time]")
    version, node, epoch, seq, time = value[: len(Header._fields)]
    if version != VERSION:
        raise ProtocolError(f"bus header of version {version!r}, not {VERSION}")
    if not (
        isinstance(node, str)
        and type(epoch) is int
        and type(seq) is int
        and isinstance(time, (int, float))
    ):
        raise ProtocolError("a bus header has text, integer, integer, number after its version")
    return Header(version, node, epoch, seq, float(time))
