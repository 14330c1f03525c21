"""Decodes a page of a reply to `snapshot`; each shard's INFO stays msgpack. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from zinfo.client.packed_info import DECODING_ERRORS, is_map
from zinfo.errors import ProtocolError
from zinfo.wire.codec import no_extensions


@dataclass(frozen=True, slots=True)
class PackedEntry:
    """One shard in a reply to `snapshot`.

    Attributes:
        shard: its id.
        revision: of `info`; 0 before the first poll.
        time: the daemon's wall clock at that poll, seconds since the Unix epoch.
        age: seconds since the last successful poll; infinite before the first.
        info: field to value, as msgpack; None before the first poll.
        state: new, up, loading, busy or down.
        reason: why it is down.
        labels: its labels.
        interval: seconds between polls; 0 where unknown.
        seq: count of the shard's newest event.
        since: the daemon's wall clock at which the state began; None where unknown.
        error: text of the last failed poll; "" after a successful one.
    """

    shard: str
    revision: int
    time: float
    age: float
    info: bytes | None
    state: str
    reason: str
    labels: dict[str, str]
    interval: float
    seq: int
    since: float | None = None
    error: str = ""


_NIL = b"\xc0"  # msgpack spec


class _Entry(msgspec.Struct):
    shard: str
    revision: int
    state: str
    seq: int
    info: msgspec.Raw = msgspec.Raw(_NIL)
    time: float | None = None
    age: float | None = None
    reason: str | None = None
    labels: dict[str, Any] | None = None
    interval: float | None = None
    since: float | None = None
    error: str | None = None


_decode_page = msgspec.msgpack.Decoder(list[_Entry], ext_hook=no_extensions).decode


def decode_page(packed: bytes) -> list[PackedEntry]:
    """Return the shards of a page.

    Args:
        packed: the body of the reply.

    Raises:
        ProtocolError: it is not such a page. The fields of an INFO are not checked.
    """
    try:
        entries = _decode_page(packed)
    except DECODING_ERRORS as error:
        raise ProtocolError(f"not a snapshot: {str(error) or type(error).__name__}") from error
    return [_checked(entry) for entry in entries]


def _checked(entry: _Entry) -> PackedEntry:
    info = bytes(entry.info)  # a Raw would hold the memory of the whole page
    if info == _NIL:
        packed, time = None, 0.0
    elif is_map(info) and entry.time is not None:
        packed, time = info, entry.time
    else:
        raise ProtocolError("INFO is a map, and has a time")
    interval = entry.interval or 0.0
    if not all(map(math.isfinite, (time, entry.age or 0.0, interval, entry.since or 0.0))):
        raise ProtocolError("time, age, interval and since are numbers of seconds")
    return PackedEntry(
        shard=entry.shard,
        revision=entry.revision,
        time=time,
        age=math.inf if entry.age is None else entry.age,
        info=packed,
        state=entry.state,
        reason=entry.reason or "",
        labels={name: str(text) for name, text in (entry.labels or {}).items()},
        interval=interval,
        seq=entry.seq,
        since=entry.since,
        error=entry.error or "",
    )
