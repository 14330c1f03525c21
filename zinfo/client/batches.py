"""Reads the deltas of a batch. Pure.

A batch has the deltas of one moment, each byte for byte as it comes alone.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from zinfo.client.decoding import BusMessage
from zinfo.errors import ProtocolError
from zinfo.wire.bus_messages import (
    BATCH_TOPIC,
    FIELDS_ROOT,
    KIND_BATCH,
    KIND_DELTA,
    KIND_FIELDS,
    Header,
    parse_topic,
    unpack_batch,
    unpack_header,
)

KINDS_OF_BATCHES: Final = frozenset((KIND_BATCH, KIND_FIELDS))
"""Kinds of messages whose body is a batch."""

MAX_TOPICS: Final = 1 << 16
"""Topics whose shard is cached: decoding one takes as long as the rest of reading a delta."""


def refused_kinds(topics: tuple[str, ...]) -> frozenset[str]:
    """Return the kinds of batches among the topics that a fence lists as refused."""
    batches = {KIND_BATCH} if BATCH_TOPIC.decode() in topics else set()
    fields = {KIND_FIELDS} if any(one.startswith(FIELDS_ROOT.decode()) for one in topics) else set()
    return frozenset(batches | fields)


def read_batch(message: BusMessage) -> tuple[list[tuple[str, Header, bytes]], int]:
    """Return shard, header and body of each delta, and the number of those that are malformed.

    The bodies are not decoded.

    Args:
        message: the batch.

    Raises:
        ProtocolError: it is not a batch.
    """
    epoch = message.header.epoch
    deltas = []
    malformed = 0
    for topic, packed, body in unpack_batch(message.body):
        try:
            shard, header = _shard_of(topic), unpack_header(packed)
        except ProtocolError:
            malformed += 1
            continue
        if header.epoch == epoch and math.isfinite(header.time):
            deltas.append((shard, header, body))
        else:
            malformed += 1
    return deltas, malformed


@lru_cache(maxsize=MAX_TOPICS)
def _shard_of(topic: bytes) -> str:
    kind, shard = parse_topic(topic)
    if kind != KIND_DELTA:
        raise ProtocolError("a batch has only deltas")
    return shard
