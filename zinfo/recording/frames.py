"""Frames and blocks of a recording to bytes and back; docs/recording.md is its prose. Pure.

A file is the magic and blocks. A block is a header with a checksum, and compressed frames. A frame
is a piece of what was recorded, with its time: the head of a span, a page of its snapshot, a
message of the bus, a break.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zinfo.errors import RecordingError
from zinfo.recording.bounds import is_dense, is_within

MAGIC = b"ZIREC\x00\x01\n"
"""The first bytes of a recording; the one before the last is the version of the format."""

SPAN = 1  # its head, a map; the pages of its snapshot follow
PAGE = 2  # body of a reply to `snapshot`
MESSAGE = 3  # topic, header and body of a message of the bus
BREAK = 4  # why the span ends here, a map
SHARDS = 5  # body of a reply to `snapshot`, for shards that were added or relabelled

BEGINS_SPAN = 1
"""Flag of a block whose first frame is the head of a span."""

MARKER = b"ZIB\n"
"""The first bytes of a block: where one is looked for in a damaged file."""

MAX_BLOCK = 64 << 20
"""Bytes of a block's frames; a page of a snapshot, the longest of them, has 4 MiB at most."""

_LEVEL = 3  # of zlib: 6 takes three times the time and saves a fourteenth
# marker, flags, compressed and plain length, wall clock of the first and the last frame
_HEADER = struct.Struct(">4sBIIdd")
_CRC = struct.Struct(">I")
_FRAME = struct.Struct(">IBQB")  # length of what follows, kind, microseconds, number of parts
_PART = struct.Struct(">I")

HEADER_BYTES = _HEADER.size + _CRC.size


class Frame(NamedTuple):
    """One thing that was recorded.

    Attributes:
        kind: `SPAN` and the like.
        at: seconds since the span began, by the recorder's monotonic clock.
        parts: bytes as they came.
    """

    kind: int
    at: float
    parts: Sequence[bytes]


class BlockHeader(NamedTuple):
    """What is known of a block before its frames are read.

    Attributes:
        flags: `BEGINS_SPAN` or 0.
        packed: bytes of the compressed frames.
        plain: bytes of the frames.
        first: the recorder's wall clock at the first frame, seconds since the Unix epoch.
        last: likewise at the last one.
        crc: CRC-32 of header and compressed frames.
    """

    flags: int
    packed: int
    plain: int
    first: float
    last: float
    crc: int


def encode_frame(frame: Frame) -> bytes:
    """Return a frame as it stands in a block."""
    parts = b"".join(_PART.pack(len(part)) + part for part in frame.parts)
    microseconds = max(0, round(frame.at * 1e6))
    length = _FRAME.size - _PART.size + len(parts)
    return _FRAME.pack(length, frame.kind, microseconds, len(frame.parts)) + parts


def decode_frames(plain: bytes) -> Iterator[Frame]:
    """Yield the frames of a block.

    Raises:
        RecordingError: the bytes are no frames, though their checksum is right.
    """
    at, end = 0, len(plain)
    try:
        while at < end:
            length, kind, microseconds, count = _FRAME.unpack_from(plain, at)
            parts = []
            part_at, frame_end = at + _FRAME.size, at + _PART.size + length
            for _ in range(count):
                (size,) = _PART.unpack_from(plain, part_at)
                part_at += _PART.size + size
                parts.append(plain[part_at - size : part_at])
            if part_at != frame_end or frame_end > end:
                raise RecordingError("a frame is longer or shorter than it says")
            yield Frame(kind, microseconds / 1e6, tuple(parts))
            at = frame_end
    except struct.error as error:
        raise RecordingError("a frame ends before it is whole") from error


def encode_block(plain: bytes, flags: int, first: float, last: float) -> bytes:
    """Return a block.

    Args:
        plain: the frames.
        flags: `BEGINS_SPAN` or 0.
        first: wall clock of the first frame, seconds since the Unix epoch.
        last: likewise of the last one.
    """
    packed = zlib.compress(plain, _LEVEL)
    if is_dense(len(plain), len(packed)):
        parts = (part for frame in decode_frames(plain) for part in frame.parts)
        if not is_within(len(plain), len(packed), parts):
            packed = zlib.compress(plain, 0)  # no reader would take it for something recorded
    header = _HEADER.pack(MARKER, flags, len(packed), len(plain), first, last)
    return header + _CRC.pack(zlib.crc32(packed, zlib.crc32(header))) + packed


def decode_header(data: bytes) -> BlockHeader | None:
    """Return the header that begins with `data`; None where it does not begin a block."""
    if len(data) < HEADER_BYTES:
        return None
    marker, flags, packed, plain, first, last = _HEADER.unpack_from(data)
    if marker != MARKER or plain > MAX_BLOCK or packed > MAX_BLOCK:
        return None
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    return BlockHeader(flags, packed, plain, first, last, crc)


def is_whole(data: bytes, header: BlockHeader, packed: bytes) -> bool:
    """Return whether a block is what was written.

    Args:
        data: the block's header, in bytes.
        header: the same, decoded.
        packed: its compressed frames.
    """
    crc = zlib.crc32(packed, zlib.crc32(data[: _HEADER.size]))
    return len(packed) == header.packed and crc == header.crc


def unpack_block(header: BlockHeader, packed: bytes) -> bytes:
    """Return the frames of a block.

    Raises:
        RecordingError: they cannot be made of these bytes.
    """
    inflating = zlib.decompressobj()
    try:
        plain = inflating.decompress(packed, header.plain + 1)
    except zlib.error as error:
        raise RecordingError(f"a block cannot be decompressed: {error}") from error
    if len(plain) != header.plain:
        raise RecordingError("a block is longer or shorter than it says")
    return plain
