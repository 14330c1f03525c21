"""Reading updates from bus messages and replies: every type is checked here, once. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from zinfo.client.updates import Delta, Heartbeat, Info, Snapshot
from zinfo.errors import ProtocolError
from zinfo.wire.bus_messages import Header, parse_topic, unpack_header
from zinfo.wire.codec import Message, unpack
from zinfo.wire.lifecycle import Event


@dataclass(frozen=True, slots=True)
class Entry:
    """One shard in a reply to `snapshot`.

    Attributes:
        info: None where the shard has not answered INFO yet.
        age: seconds since the last successful poll; infinite before the first.
        interval: seconds between polls at present; 0 where the daemon cannot tell.
        seq: count of the shard's newest event.
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


class Opened(NamedTuple):
    """A bus message whose topic and header are read, and whose body is not."""

    kind: str
    name: str
    header: Header
    body: bytes


def open_message(frames: Message) -> Opened:
    """Return what the first two frames of a bus message say.

    Raises:
        ProtocolError: not a bus message of this version.
    """
    if len(frames) != 3:
        raise ProtocolError(f"a bus message is 3 frames, not {len(frames)}")
    kind, name = parse_topic(frames[0])
    header = unpack_header(frames[1])
    if not math.isfinite(header.time):
        raise ProtocolError("a header's time is a number of seconds")
    return Opened(kind, name, header, frames[2])


def read_snapshot(opened: Opened) -> Snapshot:
    """Return the INFO that an "info" message holds, or raise ProtocolError."""
    header = opened.header
    return Snapshot(opened.name, header.seq, header.time, _info(unpack(opened.body)))


def read_delta(opened: Opened) -> Delta:
    """Return the change that a "delta" message holds, or raise ProtocolError."""
    fields = map_of(unpack(opened.body), "a delta")
    header = opened.header
    base = integer_of(fields, "base")
    if not 0 <= base < header.seq:
        raise ProtocolError(f"revision {header.seq} cannot be based on {base}")
    unset = fields.get("unset")
    if not isinstance(unset, list) or not all(isinstance(name, str) for name in unset):
        raise ProtocolError("unset must be an array of field names")
    changed = _info(fields.get("set"))
    return Delta(opened.name, header.seq, base, header.time, changed, tuple(unset))


def read_event(opened: Opened) -> Event:
    """Return the event that an "event" message holds, or raise ProtocolError."""
    event = event_from(unpack(opened.body))
    if (event.shard, event.seq) != (opened.name, opened.header.seq):
        raise ProtocolError("an event's topic and header disagree with its body")
    return event


def read_heartbeat(opened: Opened) -> Heartbeat:
    """Return the totals that a heartbeat (or a fence with a body) holds, or raise ProtocolError."""
    fields = map_of(unpack(opened.body), "a heartbeat")
    header = opened.header
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


def read_refused(opened: Opened) -> tuple[str, ...]:
    """Return the topics that a fence says this client may not have, or raise ProtocolError."""
    if not opened.body:
        return ()
    refused = map_of(unpack(opened.body), "a fence").get("refused") or []
    if not isinstance(refused, list) or not all(isinstance(one, str) for one in refused):
        raise ProtocolError("refused must be an array of topics")
    return tuple(refused)


def event_from(value: object) -> Event:
    """Return the event that a bus message or a reply holds as a map, or raise ProtocolError."""
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


def entry_from(value: object) -> Entry:
    """Return one entry of a reply to `snapshot`, or raise ProtocolError."""
    fields = map_of(value, "a snapshot")
    info, age, interval = fields.get("info"), fields.get("age"), fields.get("interval")
    return Entry(
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
    """Return the text that a key has, or raise ProtocolError."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise ProtocolError(f"{name} must be text")
    return value


def _optional_text(fields: Mapping[str, object], name: str) -> str | None:
    return None if fields.get(name) is None else text_of(fields, name)


def integer_of(fields: Mapping[str, object], name: str) -> int:
    """Return the integer that a key has, or raise ProtocolError."""
    value = fields.get(name)
    if type(value) is not int:
        raise ProtocolError(f"{name} must be an integer")
    return value


def number_of(fields: Mapping[str, object], name: str) -> float:
    """Return the finite number that a key has, or raise ProtocolError."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ProtocolError(f"{name} must be a number")
    return float(value)
