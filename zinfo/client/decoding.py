"""Decodes bus messages and snapshot entries into typed updates. Pure.

All types are checked here: whatever these functions return can be used without further checks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from zinfo.client.packed_info import checked_base, decode_changes, decode_info
from zinfo.client.updates import Delta, Heartbeat, Info, Snapshot
from zinfo.errors import ProtocolError
from zinfo.wire.bus_messages import Header, parse_topic, unpack_header
from zinfo.wire.codec import Message, unpack
from zinfo.wire.lifecycle import Event


@dataclass(frozen=True, slots=True)
class SnapshotEntry:
    """One shard in a reply to `snapshot`.

    Attributes:
        shard: its id.
        revision: of `info`; 0 before the first poll.
        time: the daemon's wall clock at that poll, seconds since the Unix epoch.
        age: seconds since the last successful poll; infinite before the first.
        info: field to value; None before the first poll.
        state: new, up, loading, busy or down.
        reason: why it is down.
        labels: its labels.
        interval: seconds between polls; 0 where unknown.
        seq: count of the shard's newest event.
        since: the daemon's wall clock at which the state began; None where unknown.
    """

    shard: str
    revision: int
    time: float
    age: float
    info: Info | None
    state: str
    reason: str
    labels: dict[str, str]
    interval: float
    seq: int
    since: float | None = None


class BusMessage(NamedTuple):
    """A bus message with decoded topic and header; the body is still msgpack."""

    kind: str
    name: str
    header: Header
    body: bytes


def parse_message(frames: Message) -> BusMessage:
    """Return a bus message with its topic and header decoded.

    Raises:
        ProtocolError: not a bus message of this version.
    """
    if len(frames) != 3:
        raise ProtocolError(f"a bus message is 3 frames, not {len(frames)}")
    kind, name = parse_topic(frames[0])
    header = unpack_header(frames[1])
    if not math.isfinite(header.time):
        raise ProtocolError("a header's time is a number of seconds")
    return BusMessage(kind, name, header, frames[2])


def decode_snapshot(message: BusMessage) -> Snapshot:
    """Return the INFO of an "info" message, or raise ProtocolError."""
    header = message.header
    return Snapshot(message.name, header.seq, header.time, decode_info(message.body))


def decode_delta(message: BusMessage) -> Delta:
    """Return the delta of a "delta" message, or raise ProtocolError."""
    header = message.header
    changed, unset, base = decode_changes(message.body)
    revision = header.seq
    return Delta(message.name, revision, checked_base(base, revision), header.time, changed, unset)


def decode_event(message: BusMessage) -> Event:
    """Return the event of an "event" message, or raise ProtocolError."""
    event = event_from_map(unpack(message.body))
    if (event.shard, event.seq) != (message.name, message.header.seq):
        raise ProtocolError("an event's topic and header disagree with its body")
    return event


def decode_heartbeat(message: BusMessage) -> Heartbeat:
    """Return the totals of a heartbeat, or of a fence with a body, or raise ProtocolError."""
    fields = map_of(unpack(message.body), "a heartbeat")
    header = message.header
    interval = number_of(fields, "interval")
    if not interval > 0:
        raise ProtocolError("interval must be above 0")
    return Heartbeat(
        node=header.node,
        epoch=header.epoch,
        beat=header.seq,
        time=header.time,
        interval=interval,
        shards=integer_of(fields, "shards"),
        events=integer_of(fields, "events"),
        revisions=integer_of(fields, "revisions"),
    )


def decode_refused_topics(message: BusMessage) -> tuple[str, ...]:
    """Return the topics that the daemon refused, listed in a fence, or raise ProtocolError."""
    if not message.body:
        return ()
    refused = map_of(unpack(message.body), "a fence").get("refused") or []
    if not isinstance(refused, list) or not all(isinstance(one, str) for one in refused):
        raise ProtocolError("refused must be an array of topics")
    return tuple(refused)


def event_from_map(value: object) -> Event:
    """Return the event in a map of a bus message or reply, or raise ProtocolError."""
    fields = map_of(value, "an event")
    return Event(
        shard=text_of(fields, "shard"),
        type=text_of(fields, "type"),
        old=_optional_text(fields, "old"),
        new=_optional_text(fields, "new"),
        reason=_optional_text(fields, "reason") or "",
        message=_optional_text(fields, "message") or "",
        number=integer_of(fields, "number"),
        seq=integer_of(fields, "seq"),
        time=number_of(fields, "time"),
        labels=None if fields.get("labels") is None else _labels(fields["labels"]),
    )


def entry_from_map(value: object) -> SnapshotEntry:
    """Return one shard of a reply to `snapshot`, or raise ProtocolError."""
    fields = map_of(value, "a snapshot")
    info, age, interval = fields.get("info"), fields.get("age"), fields.get("interval")
    since = fields.get("since")
    return SnapshotEntry(
        shard=text_of(fields, "shard"),
        revision=integer_of(fields, "revision"),
        time=0.0 if info is None else number_of(fields, "time"),
        age=math.inf if age is None else number_of(fields, "age"),
        info=None if info is None else _info(info),
        state=text_of(fields, "state"),
        reason=_optional_text(fields, "reason") or "",
        labels=_labels(fields.get("labels") or {}),
        interval=0.0 if interval is None else number_of(fields, "interval"),
        seq=integer_of(fields, "seq"),
        since=None if since is None else number_of(fields, "since"),
    )


def map_of(value: object, what: str) -> dict[str, object]:
    """Return a map with text keys, or raise ProtocolError."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ProtocolError(f"{what} is a map with text keys")
    return value


def _labels(value: object) -> dict[str, str]:
    return {name: str(text) for name, text in map_of(value, "labels").items()}


def _info(value: object) -> Info:
    return cast("Info", map_of(value, "INFO"))


def text_of(fields: Mapping[str, object], name: str) -> str:
    """Return the text under a key, or raise ProtocolError."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise ProtocolError(f"{name} must be text")
    return value


def _optional_text(fields: Mapping[str, object], name: str) -> str | None:
    return None if fields.get(name) is None else text_of(fields, name)


def integer_of(fields: Mapping[str, object], name: str) -> int:
    """Return the integer under a key, or raise ProtocolError."""
    value = fields.get(name)
    if type(value) is not int:
        raise ProtocolError(f"{name} must be an integer")
    return value


def number_of(fields: Mapping[str, object], name: str) -> float:
    """Return the finite number under a key, or raise ProtocolError."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ProtocolError(f"{name} must be a number")
    return float(value)
