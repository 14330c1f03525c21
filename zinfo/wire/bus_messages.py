"""Bus messages: topics, headers and batches to bytes and back. Pure: no socket, no clock.

A bus message has three frames: topic, header and body. docs/reference/protocol.md specifies them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, TypeAlias
from urllib.parse import quote, unquote

import msgspec

from zinfo.errors import ProtocolError
from zinfo.wire.codec import VERSION, array_header, pack_fields, unpack

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
KIND_BATCH = "batch"
KIND_FIELDS = "fields"

BATCH_TOPIC = f"{TOPIC_ROOT}/{KIND_BATCH}/".encode()
"""Topic of the batches of all deltas."""
FIELDS_ROOT = f"{TOPIC_ROOT}/{KIND_FIELDS}/".encode()
"""First part of the topics of batches whose deltas have some fields only."""

MAX_FIELDS = 64
"""Names in a topic of fields."""
MAX_FIELD_NAME = 256
"""Longest name in a topic of fields, in bytes of UTF-8."""

BatchedMessage: TypeAlias = "tuple[bytes, bytes, bytes]"
"""Topic, header and body of a delta in a batch, each as it would have come alone."""

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


def fields_topic(names: Collection[str]) -> bytes:
    """Return the topic of the batches whose deltas have some fields only.

    Args:
        names: of the fields; their order and duplicates have no effect.

    Raises:
        ValueError: there is no name or an empty one, there are more than `MAX_FIELDS`, or one is
            longer than `MAX_FIELD_NAME`.
    """
    if not names or "" in names:
        raise ValueError("a topic of fields needs their names")
    distinct = sorted(set(names))
    if len(distinct) > MAX_FIELDS:
        raise ValueError(f"a topic of fields has at most {MAX_FIELDS} names")
    if any(len(name.encode("utf-8", "backslashreplace")) > MAX_FIELD_NAME for name in distinct):
        raise ValueError(f"the name of a field in a topic has at most {MAX_FIELD_NAME} bytes")
    return FIELDS_ROOT + ",".join(map(quote_name, distinct)).encode() + b"/"


def fields_of_topic(raw: bytes) -> tuple[str, ...] | None:
    """Return the names in a topic of fields; None if it is not the one that `fields_topic` makes.

    So each set of fields has one topic.
    """
    if not raw.startswith(FIELDS_ROOT) or not raw.endswith(b"/") or not raw.isascii():
        return None
    if raw.count(b",") >= MAX_FIELDS:  # checked first: decoding many names takes long
        return None
    names = tuple(map(unquote, raw[len(FIELDS_ROOT) : -1].decode().split(",")))
    try:
        return names if fields_topic(names) == raw else None
    except ValueError:
        return None


def parse_topic(raw: bytes) -> tuple[str, str]:
    """Return kind and name (shard id, node or nonce) of a topic.

    The name is empty for batches; `fields_of_topic` returns the names of the fields.

    Raises:
        ProtocolError: not a topic of this version.
    """
    if raw == BATCH_TOPIC:
        return KIND_BATCH, ""
    if raw.startswith(FENCE_PREFIX):
        return KIND_FENCE, unquote(raw[len(FENCE_PREFIX) :].decode("ascii", "replace"))
    try:
        root, kind, name, end = raw.decode("ascii").split("/")
    except ValueError as error:
        raise ProtocolError(f"not a topic: {raw[:80]!r}") from error
    if root != TOPIC_ROOT or end:
        raise ProtocolError(f"not a topic of version {VERSION}: {raw[:80]!r}")
    return kind, "" if kind == KIND_FIELDS else unquote(name)


def header_start(node: str, epoch: int) -> bytes:
    """Return the first bytes of each header of a daemon: all but the last two elements."""
    return array_header(len(Header._fields)) + b"".join(map(pack_fields, (VERSION, node, epoch)))


def pack_header(node: str, epoch: int, seq: int, time: float) -> bytes:
    """Return the header of a bus message of this version; arguments as in `Header`."""
    return pack_fields((VERSION, node, epoch, seq, time))


def unpack_header(raw: bytes) -> Header:
    """Return the header of a bus message; elements that later versions append are ignored.

    Raises:
        ProtocolError: not an array of [version, node, epoch, seq, time], or another version.
    """
    try:
        header = _decode_header(raw)
    except (ValueError, MemoryError, RecursionError, msgspec.MsgspecError):
        header = _unpack_any_header(raw)  # of a later version, or its error says what is wrong
    if header.version != VERSION:
        raise ProtocolError(f"bus header of version {header.version!r}, not {VERSION}")
    return header


def _unpack_any_header(raw: bytes) -> Header:
    value = unpack(raw)
    if not isinstance(value, list) or len(value) < len(Header._fields):
        raise ProtocolError("a bus header is an array [version, node, epoch, seq, time]")
    version, node, epoch, seq, time = value[: len(Header._fields)]
    if version == VERSION and not (
        isinstance(node, str)
        and type(epoch) is int
        and type(seq) is int
        and isinstance(time, (int, float))
    ):
        raise ProtocolError("a bus header has text, integer, integer, number after its version")
    return Header(version, node, epoch, seq, time if version != VERSION else float(time))


def pack_batch(messages: Sequence[BatchedMessage]) -> bytes:
    """Return the body of a batch: an array of arrays of three byte strings (msgpack bin)."""
    parts = [pack_batched(batched_head(topic), header, body) for topic, header, body in messages]
    return join_batch(len(parts), parts)


def batched_head(topic: bytes) -> bytes:
    """Return the first bytes of each message of a topic in a batch."""
    return array_header(3) + _bin_header(len(topic)) + topic


def pack_batched(head: bytes, header: bytes, body: bytes) -> bytes:
    """Return one message as it is in the body of a batch.

    Args:
        head: what `batched_head` returns for its topic.
        header: of the message.
        body: of the message.
    """
    return b"".join((head, _bin_header(len(header)), header, _bin_header(len(body)), body))


def join_batch(number: int, packed: Sequence[bytes]) -> bytes:
    """Return the body of a batch of some messages.

    Args:
        number: of the messages.
        packed: what `pack_batched` returns for each, in their order.
    """
    return array_header(number) + b"".join(packed)


def unpack_batch(body: bytes) -> list[BatchedMessage]:
    """Return the messages of a batch, in the order in which they were published.

    Raises:
        ProtocolError: not an array of arrays of three byte strings.
    """
    try:
        return _decode_batch(body)
    except (ValueError, MemoryError, RecursionError, msgspec.MsgspecError) as error:
        raise ProtocolError(f"not a batch: {error or type(error).__name__}") from error


_decode_header = msgspec.msgpack.Decoder(Header).decode
_decode_batch = msgspec.msgpack.Decoder(list[tuple[bytes, bytes, bytes]]).decode


def _bin_header(size: int) -> bytes:
    """Return the msgpack header of a byte string (msgpack spec)."""
    if size < 1 << 8:
        return b"\xc4" + size.to_bytes(1, "big")
    if size < 1 << 16:
        return b"\xc5" + size.to_bytes(2, "big")
    return b"\xc6" + size.to_bytes(4, "big")
