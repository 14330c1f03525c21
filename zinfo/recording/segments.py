"""Decodes the frames of a recording into segments and updates. Pure.

A segment starts with a snapshot, as a `Segment`, and goes on with the updates that a Subscriber
would have received. A `Gap`, `Stale` or `Restart` ends it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from zinfo.client.decoding import (
    BusMessage,
    SnapshotEntry,
    decode_delta,
    decode_event,
    decode_heartbeat,
    entry_from_map,
    integer_of,
    map_of,
    number_of,
    parse_message,
    text_of,
)
from zinfo.client.updates import Gap, Restart, Stale, Update
from zinfo.errors import RecordingError
from zinfo.recording.frames import BREAK, MESSAGE, PAGE, SEGMENT, SHARDS, Frame
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT
from zinfo.wire.codec import unpack


@dataclass(frozen=True, slots=True)
class Segment:
    """The start of a part of the recording without gaps, with all shards at that moment.

    Attributes:
        node: name of the daemon.
        epoch: random number of its start.
        time: the daemon's wall clock, seconds since the Unix epoch.
        wall: the recorder's wall clock, seconds since the Unix epoch.
        heartbeat: seconds between two heartbeats.
        complete: whether all shards and fields of the daemon are recorded, so that its totals are
            those of the recording.
        events: number of the newest event before the updates that follow.
        revisions: successful polls before the deltas that follow.
        entries: the shards.
    """

    node: str
    epoch: int
    time: float
    wall: float
    heartbeat: float
    complete: bool
    events: int
    revisions: int
    entries: tuple[SnapshotEntry, ...]

    @property
    def whole(self) -> bool:
        """Deprecated name of `complete`."""
        warnings.warn("use `complete` instead of `whole`", DeprecationWarning, stacklevel=2)
        return self.complete


@dataclass(frozen=True, slots=True)
class LabelUpdate:
    """Labels and polling intervals of shards, requested because an event did not have them.

    Attributes:
        entries: the shards; only their labels and interval are meant, the rest may be newer than
            the updates before.
    """

    entries: tuple[SnapshotEntry, ...]


Recorded: TypeAlias = "Update | Segment | LabelUpdate"


class Moment(NamedTuple):
    """One recorded update.

    Attributes:
        at: seconds since the start of the recording; never less than that of the moment before.
        wall: the recorder's wall clock, seconds since the Unix epoch.
        update: the update.
    """

    at: float
    wall: float
    update: Recorded


_DECODERS: dict[str, Callable[[BusMessage], Recorded]] = {
    KIND_DELTA: decode_delta,
    KIND_EVENT: decode_event,
    KIND_HEARTBEAT: decode_heartbeat,
}


@dataclass(slots=True)
class MomentDecoder:
    """Turns frames into moments; a segment with missing pages is left out.

    Attributes:
        begin: wall clock of the recording's first frame.
    """

    begin: float = 0.0
    _head: Mapping[str, object] | None = None  # of a segment whose pages are being collected
    _entries: list[SnapshotEntry] = field(default_factory=list)
    _missing_pages: int = 0
    _wall: float = 0.0  # of the segment
    _at: float = 0.0  # of the newest moment
    _epoch: int | None = None  # of the last segment or restart
    _has_break: bool = True  # whether a break was recorded since the last segment
    _inside: bool = False  # whether a segment has started

    def decode(self, frame: Frame) -> Iterator[Moment]:
        """Take one frame; yield the moments that are complete with it.

        Raises:
            ProtocolError, RecordingError: the frame is malformed.
        """
        if frame.kind == SEGMENT:
            self._head = map_of(unpack(_only_part(frame)), "the head of a segment")
            self._missing_pages, self._entries = integer_of(self._head, "pages"), []
        elif frame.kind == PAGE:
            if self._head is not None:
                self._entries += _page(frame)
                self._missing_pages -= 1
        elif frame.kind == MESSAGE and self._inside:
            message = parse_message(frame.parts)
            decode = _DECODERS.get(message.kind)
            if decode is not None:  # a later version of zinfo may record other kinds
                yield self._moment(frame.at, decode(message))
        elif frame.kind == SHARDS and self._inside:
            yield self._moment(frame.at, LabelUpdate(tuple(_page(frame))))
        elif frame.kind == BREAK and self._inside:
            update = _break(map_of(unpack(_only_part(frame)), "a break"))
            self._has_break = True
            if isinstance(update, Restart):
                self._epoch = update.epoch
            yield self._moment(frame.at, update)
        if self._head is not None and self._missing_pages <= 0:
            yield from self._start_segment(self._head)

    def _start_segment(self, head: Mapping[str, object]) -> Iterator[Moment]:
        segment = _segment(head, tuple(self._entries))
        self._head, self._entries = None, []
        self._wall, self._inside = segment.wall, True
        if self._epoch is not None and self._epoch != segment.epoch:
            yield self._moment(0.0, Restart(segment.node, self._epoch, segment.epoch))
        elif self._epoch is not None and not self._has_break:
            yield self._moment(0.0, Gap(None, KIND_DELTA, None, None))
        self._epoch, self._has_break = segment.epoch, False
        yield self._moment(0.0, segment)

    def _moment(self, at: float, update: Recorded) -> Moment:
        wall = self._wall + at
        self._at = max(self._at, wall - self.begin)
        return Moment(self._at, wall, update)


def _segment(head: Mapping[str, object], entries: tuple[SnapshotEntry, ...]) -> Segment:
    return Segment(
        node=text_of(head, "node"),
        epoch=integer_of(head, "epoch"),
        time=number_of(head, "time"),
        wall=number_of(head, "wall"),
        heartbeat=number_of(head, "heartbeat"),
        complete=head.get("whole") is True,
        events=integer_of(head, "events"),
        revisions=integer_of(head, "revisions"),
        entries=entries,
    )


def _break(fields: Mapping[str, object]) -> Gap | Stale | Restart:
    kind = fields.get("break")
    if kind == "stale":
        return Stale(number_of(fields, "seconds"), text_of(fields, "reason"))
    if kind == "restart":
        return Restart(
            text_of(fields, "node"), integer_of(fields, "old_epoch"), integer_of(fields, "epoch")
        )
    # "gap", or a break that only a later version of zinfo knows: messages are missing.
    shard, expected, got = fields.get("shard"), fields.get("expected"), fields.get("got")
    return Gap(
        shard if isinstance(shard, str) else None,
        str(fields.get("kind", KIND_DELTA)),
        expected if isinstance(expected, int) else None,
        got if isinstance(got, int) else None,
    )


def _page(frame: Frame) -> list[SnapshotEntry]:
    value = unpack(_only_part(frame))
    if not isinstance(value, list):
        raise RecordingError("a page of a snapshot is not an array")
    return [entry_from_map(entry) for entry in value]


def _only_part(frame: Frame) -> bytes:
    if len(frame.parts) != 1:
        raise RecordingError(f"a frame of kind {frame.kind} has {len(frame.parts)} parts, not 1")
    return frame.parts[0]
