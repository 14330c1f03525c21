"""Recording: reads what was recorded, as the typed updates that a Subscriber gives.

from zinfo.recording import Recording

with Recording("incident.zrec") as recording:
    for moment in recording:
        print(moment.at, moment.update)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from zinfo.client.decoding import (
    Entry,
    Opened,
    entry_from,
    integer_of,
    map_of,
    number_of,
    open_message,
    read_delta,
    read_event,
    read_heartbeat,
    text_of,
)
from zinfo.client.updates import Gap, Restart, Stale, Update
from zinfo.errors import ProtocolError, RecordingError
from zinfo.recording.blocks import Block, check_magic, walk
from zinfo.recording.bounds import Bounds
from zinfo.recording.frames import (
    BEGINS_SPAN,
    BREAK,
    MAGIC,
    MESSAGE,
    PAGE,
    SHARDS,
    SPAN,
    Frame,
    decode_frames,
    unpack_block,
)
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT
from zinfo.wire.codec import unpack


@dataclass(frozen=True, slots=True)
class Span:
    """From here on nothing is missing, until a `Gap`, `Stale` or `Restart`, or the next Span.

    Attributes:
        node: name of the daemon.
        epoch: random number of its start.
        time: the daemon's wall clock, seconds since the Unix epoch.
        wall: the recorder's.
        heartbeat: seconds between two heartbeats.
        whole: whether all shards and fields of the daemon are recorded, and its totals count them.
        events: number of the newest event before what follows.
        revisions: successful polls before the deltas that follow.
        entries: the shards as they were.
    """

    node: str
    epoch: int
    time: float
    wall: float
    heartbeat: float
    whole: bool
    events: int
    revisions: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """Shards that were added, with their labels, which the event does not tell.

    Attributes:
        entries: the shards; all but labels and interval may be newer than what came before.
    """

    entries: tuple[Entry, ...]


Recorded: TypeAlias = "Update | Span | Described"


_READERS: dict[str, Callable[[Opened], Recorded]] = {
    KIND_DELTA: read_delta,
    KIND_EVENT: read_event,
    KIND_HEARTBEAT: read_heartbeat,
}


class Moment(NamedTuple):
    """One thing that was recorded.

    Attributes:
        at: seconds since the recording began; never less than before.
        wall: the recorder's wall clock, seconds since the Unix epoch.
        update: what it is.
    """

    at: float
    wall: float
    update: Recorded


@dataclass(frozen=True, slots=True)
class Summary:
    """A recording as a whole.

    Attributes:
        begin: the recorder's wall clock at the first frame, seconds since the Unix epoch; 0 where
            there is none.
        end: likewise at the last one.
        blocks: how many whole ones.
        size: bytes of them, and of what is before them.
        cut: bytes behind them that are no whole block.
    """

    begin: float
    end: float
    blocks: int
    size: int
    cut: int


class Recording:
    """Reads a recording, up to its last whole block. A context manager.

    Each iteration begins at the beginning. A recording that is still being written can be read.

    Args:
        path: of the file.

    Raises:
        RecordingError: it cannot be read, or is no recording.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._file: BinaryIO = self.path.open("rb")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise self._failed(error) from error
        try:
            self._has_magic = check_magic(self._file, str(self.path))
        except OSError as error:
            self._file.close()
            raise self._failed(error) from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Moment]:
        return self.moments()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def summary(self) -> Summary:
        """Return what the recording is as a whole; reads all of the file.

        Raises:
            RecordingError: it cannot be read.
        """
        begin = end = 0.0
        count, size = 0, len(MAGIC) if self._has_magic else 0
        for block in self._blocks(0):
            begin = begin if count else block.header.first
            end, size, count = block.header.last, block.end, count + 1
        try:
            cut = self._file.seek(0, os.SEEK_END) - size
        except OSError as error:
            raise self._failed(error) from error
        return Summary(begin, end, count, size, cut)

    def updates(self) -> Iterator[Update]:
        """Yield what a Subscriber would have told, without the snapshots.

        Raises:
            RecordingError: as `moments`.
        """
        for moment in self.moments():
            if not isinstance(moment.update, (Span, Described)):
                yield moment.update

    def moments(self, since: float = 0.0) -> Iterator[Moment]:
        """Yield what was recorded, in order.

        Args:
            since: seconds since the recording began; spans that ended before are left out, so
                that the first thing yielded is the span that holds this moment.

        Raises:
            RecordingError: a whole block holds something that is no recording of this version.
        """
        reading, bounds = _Reading(), Bounds()
        for block in self._blocks(since):
            reading.begin = reading.begin or self._begin
            try:
                bounds.begin(block.header.plain, block.header.packed)
                plain = unpack_block(block.header, block.packed)
                for frame in decode_frames(plain):
                    bounds.take(frame.parts)
                    yield from reading.take(frame)
            except (ProtocolError, RecordingError) as error:
                raise RecordingError(
                    f"{self.path}: the block at byte {block.position} cannot be read: {error}"
                ) from error

    @property
    def _begin(self) -> float:
        """Wall clock of the first frame."""
        first = next(walk(self._file), None)
        return first.header.first if first else 0.0

    def _blocks(self, since: float) -> Iterator[Block]:
        """Yield the blocks from the last span on that begins before a moment."""
        if not self._has_magic:
            return
        try:
            position = self._span_at(since) if since > 0 else len(MAGIC)
            yield from walk(self._file, position)
        except OSError as error:
            raise self._failed(error) from error

    def _span_at(self, since: float) -> int:
        begin, found = None, len(MAGIC)
        for block in walk(self._file):
            begin = block.header.first if begin is None else begin
            if block.header.first - begin > since:
                break
            if block.header.flags & BEGINS_SPAN:
                found = block.position
        return found

    def _failed(self, error: Exception) -> RecordingError:
        return RecordingError(f"{self.path}: {getattr(error, 'strerror', None) or error}")


@dataclass(slots=True)
class _Reading:
    """Makes moments of frames; a span whose pages are not all there is left out.

    Attributes:
        begin: wall clock of the recording's first frame.
    """

    begin: float = 0.0
    _head: Mapping[str, object] | None = None  # of a span whose pages are being collected
    _entries: list[Entry] = field(default_factory=list)
    _missing: int = 0  # pages
    _wall: float = 0.0  # of the span
    _at: float = 0.0  # of the newest moment
    _epoch: int | None = None  # that the last span or restart told
    _broken: bool = True  # a reason was given for the last span's end
    _inside: bool = False  # a span has begun

    def take(self, frame: Frame) -> Iterator[Moment]:
        """Take one frame; yield what is complete with it."""
        if frame.kind == SPAN:
            self._head = map_of(unpack(_only_part(frame)), "the head of a span")
            self._missing, self._entries = integer_of(self._head, "pages"), []
        elif frame.kind == PAGE:
            if self._head is not None:
                self._entries += _page(frame)
                self._missing -= 1
        elif frame.kind == MESSAGE and self._inside:
            opened = open_message(frame.parts)
            reader = _READERS.get(opened.kind)
            if reader is not None:  # a later zinfo may record more
                yield self._moment(frame.at, reader(opened))
        elif frame.kind == SHARDS and self._inside:
            yield self._moment(frame.at, Described(tuple(_page(frame))))
        elif frame.kind == BREAK and self._inside:
            update = _break(map_of(unpack(_only_part(frame)), "a break"))
            self._broken = True
            if isinstance(update, Restart):
                self._epoch = update.epoch
            yield self._moment(frame.at, update)
        if self._head is not None and self._missing <= 0:
            yield from self._enter(self._head)

    def _enter(self, head: Mapping[str, object]) -> Iterator[Moment]:
        span = _span(head, tuple(self._entries))
        self._head, self._entries = None, []
        self._wall, self._inside = span.wall, True
        if self._epoch is not None and self._epoch != span.epoch:
            yield self._moment(0.0, Restart(span.node, self._epoch, span.epoch))
        elif self._epoch is not None and not self._broken:
            yield self._moment(0.0, Gap(None, KIND_DELTA, None, None))
        self._epoch, self._broken = span.epoch, False
        yield self._moment(0.0, span)

    def _moment(self, at: float, update: Recorded) -> Moment:
        wall = self._wall + at
        self._at = max(self._at, wall - self.begin)
        return Moment(self._at, wall, update)


def _span(head: Mapping[str, object], entries: tuple[Entry, ...]) -> Span:
    return Span(
        node=text_of(head, "node"),
        epoch=integer_of(head, "epoch"),
        time=number_of(head, "time"),
        wall=number_of(head, "wall"),
        heartbeat=number_of(head, "heartbeat"),
        whole=head.get("whole") is True,
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
    # Whatever else a later zinfo may record: something is missing.
    shard, expected, got = fields.get("shard"), fields.get("expected"), fields.get("got")
    return Gap(
        shard if isinstance(shard, str) else None,
        str(fields.get("kind", KIND_DELTA)),
        expected if isinstance(expected, int) else None,
        got if isinstance(got, int) else None,
    )


def _page(frame: Frame) -> list[Entry]:
    value = unpack(_only_part(frame))
    if not isinstance(value, list):
        raise RecordingError("a page of a snapshot is no array")
    return [entry_from(entry) for entry in value]


def _only_part(frame: Frame) -> bytes:
    if len(frame.parts) != 1:
        raise RecordingError(f"a frame of kind {frame.kind} has {len(frame.parts)} parts, not 1")
    return frame.parts[0]
