"""What is stored and published in NATS, as msgpack and headers. Pure.

docs/reference/nats.md describes all keys and headers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from zinfo.client.updates import Delta
from zinfo.errors import ProtocolError
from zinfo.sinks.nats.names import decode, encode
from zinfo.wire.codec import map_header, pack_fields, unpack
from zinfo.wire.lifecycle import Event

FORMAT: Final = 1
"""Version of the keys, values and headers; it changes if readers have to."""

MAX_LISTED: Final = 1000
"""Greatest number of stale shards that a heartbeat lists; with more of them, all count as stale."""

HEADER_ROOM: Final = 4096
"""Bytes of the server's `max_payload` that are left for headers, which count towards it."""

Headers = dict[str, str]

_NODE, _EPOCH, _REVISION = "Zinfo-Node", "Zinfo-Epoch", "Zinfo-Revision"
_BASE, _STATUS, _SINK = "Zinfo-Base", "Zinfo-Status", "Zinfo-Sink"

_NIL: Final = b"\xc0"


class Identity(NamedTuple):
    """Which version of a shard a value is; equal identities mean equal values.

    A stream's sequence is no identity: replicas were seen to number a message differently.

    Attributes:
        node: name of the daemon.
        epoch: random number that identifies the run of the daemon.
        revision: of the INFO; 0 if there is none.
        status: digest of state, reason and labels.
        sink: name of the sink that wrote it.
    """

    node: str
    epoch: int
    revision: int
    status: str
    sink: str

    def headers(self) -> Headers:
        """Return the headers of the value."""
        return {
            _NODE: encode(self.node),
            _EPOCH: str(self.epoch),
            _REVISION: str(self.revision),
            _STATUS: self.status,
            _SINK: encode(self.sink),
        }


def identity_from(headers: Mapping[str, str] | None) -> Identity | None:
    """Return the identity in the headers of a value; None if another program wrote it."""
    headers = headers or {}
    try:
        return Identity(
            decode(headers[_NODE]),
            int(headers[_EPOCH]),
            int(headers[_REVISION]),
            headers[_STATUS],
            decode(headers[_SINK]),
        )
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Copy:
    """One version of a shard, to be stored.

    Attributes:
        shard: its id.
        node: name of the daemon.
        epoch: random number that identifies the run of the daemon.
        revision: of the INFO; 0 if the shard was never polled.
        time: wall clock at the daemon at that poll, seconds since the Unix epoch.
        state: new, up, loading, busy or down.
        reason: why it is down.
        labels: its labels.
        info: the INFO as msgpack; None if the shard was never polled.
    """

    shard: str
    node: str
    epoch: int
    revision: int
    time: float
    state: str
    reason: str
    labels: Mapping[str, str]
    info: bytes | None

    def identity(self, sink: str) -> Identity:
        """Return its identity, as written by a sink."""
        status = pack_fields([self.state, self.reason, sorted(self.labels.items())])
        digest = hashlib.blake2b(status, digest_size=8).hexdigest()
        return Identity(self.node, self.epoch, self.revision, digest, sink)

    def value(self, sink: str, limit: int) -> tuple[bytes, bool]:
        """Return the value, and whether it is complete.

        Args:
            sink: name of the sink.
            limit: greatest number of bytes. A larger value is stored without the INFO.
        """
        fields: tuple[object, ...] = (
            *("shard", self.shard, "node", self.node, "epoch", self.epoch),
            *("revision", self.revision, "time", self.time, "state", self.state),
            *("reason", self.reason, "labels", dict(self.labels), "sink", sink, "info"),
        )
        begin = map_header(10) + b"".join(map(pack_fields, fields))
        info = _NIL if self.info is None else self.info
        if len(begin) + len(info) > limit:
            return begin + _NIL, False
        return begin + info, True


def delta_message(delta: Delta, node: str, epoch: int) -> tuple[bytes, Headers]:
    """Return payload and headers of a delta.

    Args:
        delta: what changed.
        node: name of the daemon.
        epoch: of the daemon.
    """
    body = {
        "shard": delta.shard,
        "node": node,
        "epoch": epoch,
        "revision": delta.revision,
        "base": delta.base,
        "time": delta.time,
        "set": delta.set,
        "unset": delta.unset,
    }
    headers = {
        _NODE: encode(node),
        _EPOCH: str(epoch),
        _REVISION: str(delta.revision),
        _BASE: str(delta.base),
    }
    return pack_fields(body), headers


def event_message(event: Event, node: str, epoch: int) -> tuple[bytes, Headers]:
    """Return payload and headers of an event; the server drops a second one with the same id.

    Args:
        event: with its number.
        node: name of the daemon.
        epoch: of the daemon.
    """
    body = {"node": node, "epoch": epoch, **event.as_map()}
    headers = {
        "Nats-Msg-Id": f"{epoch}-{event.number}",
        _NODE: encode(node),
        _EPOCH: str(epoch),
    }
    return pack_fields(body), headers


class DaemonReport(NamedTuple):
    """What a heartbeat says of one daemon.

    Attributes:
        node: its name; "" before its first answer.
        epoch: of its run; 0 before its first answer.
        fresh: whether all of its shards are known now.
    """

    node: str
    epoch: int
    fresh: bool


@dataclass(frozen=True)
class Heartbeat:
    """What a sink says of the values that it has written.

    Attributes:
        sink: its name.
        run: number of its run: nanoseconds since the Unix epoch at its start.
        beat: number of the heartbeat, from 1.
        time: wall clock of the sink, seconds since the Unix epoch.
        interval: seconds between heartbeats.
        lag: seconds within which a value that is not stale was written after the daemon had it.
        ended: whether it is the last one: the sink was stopped.
        complete: whether all shards of the daemons are in the bucket, and no others of this sink.
        shards: number of values of this sink.
        stale: ids of stale shards; None if all are.
        daemons: those that the sink follows.
        events: by node, the epoch and number of the newest event in the stream.
    """

    sink: str
    run: int
    beat: int
    time: float
    interval: float
    lag: float
    ended: bool = False
    complete: bool = False
    shards: int = 0
    stale: Sequence[str] | None = None
    daemons: Sequence[DaemonReport] = ()
    events: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return it as msgpack."""
        return pack_fields(
            {
                "format": FORMAT,
                "sink": self.sink,
                "run": self.run,
                "beat": self.beat,
                "time": self.time,
                "interval": self.interval,
                "lag": self.lag,
                "ended": self.ended,
                "complete": self.complete,
                "shards": self.shards,
                "stale": None if self.stale is None else list(self.stale),
                "daemons": [daemon._asdict() for daemon in self.daemons],
                "events": {node: list(newest) for node, newest in self.events.items()},
            }
        )


def listed(stale: Collection[str]) -> list[str] | None:
    """Return the stale shards as a heartbeat lists them; None if there are too many."""
    return None if len(stale) > MAX_LISTED else sorted(stale)


class FormerHeartbeat(NamedTuple):
    """What a sink needs to know of a heartbeat that another run of it has written.

    Attributes:
        run: number of that run.
        interval: seconds between its heartbeats.
        ended: whether it was stopped.
        events: by node, the epoch and number of the newest event in the stream.
    """

    run: int
    interval: float
    ended: bool
    events: dict[str, tuple[int, int]]


def former_heartbeat(packed: bytes) -> FormerHeartbeat | None:
    """Return what a heartbeat says; None if it is not a heartbeat of this format."""
    try:
        found = unpack(packed)
        if not isinstance(found, dict) or found["format"] != FORMAT:
            return None
        events = {
            str(node): (int(newest[0]), int(newest[1])) for node, newest in found["events"].items()
        }
        return FormerHeartbeat(
            int(found["run"]), float(found["interval"]), bool(found["ended"]), events
        )
    except (ProtocolError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None
