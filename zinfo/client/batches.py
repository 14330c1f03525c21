"""Reads deltas from bus messages, single or in batches; their fields stay msgpack. Pure.

A batch has the deltas of one moment, each byte for byte as it comes alone.
"""

from __future__ import annotations

import contextlib
import math
from typing import Final, TypeAlias

from zinfo.client.decoding import BusMessage
from zinfo.client.packed_info import base_of
from zinfo.errors import ProtocolError
from zinfo.native.loader import native
from zinfo.wire.bus_messages import (
    BATCH_TOPIC,
    FIELDS_ROOT,
    KIND_BATCH,
    KIND_DELTA,
    KIND_FIELDS,
    parse_topic,
    unpack_batch,
    unpack_header,
)

KINDS_OF_BATCHES: Final = frozenset((KIND_BATCH, KIND_FIELDS))
"""Kinds of messages whose body is a batch."""

MAX_TOPICS: Final = 1 << 16
"""Topics whose shard is cached: decoding one takes as long as the rest of reading a delta."""


ReadDelta: TypeAlias = "tuple[str, int, int, float, bytes]"
"""A delta of which all but the fields is decoded: shard, revision, base, time and body.

The base is -1 if the body is malformed. (A named tuple would take longer to make than the rest of
reading a delta.)
"""


def refused_kinds(topics: tuple[str, ...]) -> frozenset[str]:
    """Return the kinds of batches among the topics that a fence lists as refused."""
    batches = {KIND_BATCH} if BATCH_TOPIC.decode() in topics else set()
    fields = {KIND_FIELDS} if any(one.startswith(FIELDS_ROOT.decode()) for one in topics) else set()
    return frozenset(batches | fields)


def read_delta(topic: bytes, message: BusMessage) -> ReadDelta:
    """Return the delta of a "delta" message with this topic."""
    header = message.header
    return _read(shards[topic], header.seq, header.time, message.body)


def read_batch(message: BusMessage) -> tuple[list[ReadDelta], int]:
    """Return the deltas of a batch, and the number of messages in it that are not deltas.

    Raises:
        ProtocolError: it is not a batch.
    """
    epoch = message.header.epoch
    deltas = None
    if native is not None:
        with contextlib.suppress(ProtocolError):  # not the topic of a delta
            deltas = native.read_deltas(message.body, epoch, shards)
    return read_batch_in_python(message.body, epoch) if deltas is None else (deltas, 0)


def read_batch_in_python(body: bytes, epoch: int) -> tuple[list[ReadDelta], int]:
    """Do the same as `read_batch`; the reference for the native part.

    Args:
        body: of the batch.
        epoch: in its header, and in that of each delta.
    """
    deltas = []
    malformed = 0
    for topic, packed, delta in unpack_batch(body):
        try:
            shard = shards[topic]
            header = unpack_header(packed)
        except ProtocolError:
            malformed += 1
            continue
        if header.epoch == epoch and math.isfinite(header.time):
            deltas.append(_read(shard, header.seq, header.time, delta))
        else:
            malformed += 1
    return deltas, malformed


def _read(shard: str, revision: int, time: float, body: bytes) -> ReadDelta:
    try:
        base = base_of(body, revision)
    except ProtocolError:
        base = -1
    return shard, revision, base, time, body


class _Shards(dict[bytes, str]):
    """Ids of shards by the topic of their deltas, added when they are first read."""

    def __missing__(self, topic: bytes) -> str:
        kind, shard = parse_topic(topic)
        if kind != KIND_DELTA:
            raise ProtocolError("a batch has only deltas")
        if len(self) >= MAX_TOPICS:
            self.clear()
        self[topic] = shard
        return shard


shards: Final = _Shards()
"""Ids of shards by the topic of their deltas; reading another topic raises ProtocolError."""
