"""Encodes and decodes the frames and blocks of a recording. Pure.

docs/reference/recording.md has the format.

A file is the magic followed by blocks. A block is a header with a checksum, and compressed frames.
A frame has a time and one recorded item: the head of a segment, a page of its snapshot, a bus
message, or a break.
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

SEGMENT = 1  # head of a segment, a map; the pages of its snapshot follow
PAGE = 2  # body of a reply to `snapshot`
MESSAGE = 3  # topic, header and body of a bus message
BREAK = 4  # why the segment ends here, a map
SHARDS = 5  # body of a reply to `snapshot`, for shards that were added or have new labels

STARTS_SEGMENT = 1
"""Flag of a block whose first frame is the head of a segment."""

MARKER = b"ZIB\n"
"""The first bytes of a block, searched for in a damaged file."""

MAX_BLOCK = 64 << 20
"""Upper bound of the bytes of a block's frames; the largest frame, a page, has at most 4 MiB."""

_LEVEL = 3  # of zlib; level 6 takes three times as long and saves 7 %
# marker, flags, compressed and plain length, wall clock of the first and the last frame
_HEADER = struct.Struct(">4sBIIdd")
_CRC = struct.Struct(">I")
_FRAME = struct.Struct(">IBQB")  # length of the rest, kind, microseconds, number of parts
_PART = struct.Struct(">I")

HEADER_BYTES = _HEADER.size + _CRC.size


class Frame(NamedTuple):
    """One recorded item.

    Attributes:
        kind: `SEGMENT`, `PAGE`, `MESSAGE`, `BREAK` or `SHARDS`.
        at: seconds since the start of the segment, by the recorder's monotonic clock.
        parts: bytes as received.
    """

    kind: int
    at: float
    parts: Sequence[bytes]


class BlockHeader(NamedTuple):
    """The header of a block.

    Attributes:
        flags: `STARTS_SEGMENT` or 0.
        packed: bytes of the compressed frames.
        plain: bytes of the frames.
        first: the recorder's wall clock at the first frame, seconds since the Unix epoch.
        last: the same at the last one.
        crc: CRC-32 of header and compressed frames.
    """

    flags: int
    packed: int
    plain: int
    first: float
    last: float
    crc: int


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of a frame in a block."""
    parts = b"".join(_PART.pack(len(part)) + part for part in frame.parts)
    microseconds = max(0, round(frame.at * 1e6))
    length = _FRAME.size - _PART.size + len(parts)
    return _FRAME.pack(length, frame.kind, microseconds, len(frame.parts)) + parts


def decode_frames(plain: bytes) -> Iterator[Frame]:
    """Yield the frames of a block.

    Raises:
        RecordingError: the bytes are not frames, though their checksum is right.
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
                raise RecordingError("a frame's length does not match its parts")
            yield Frame(kind, microseconds / 1e6, tuple(parts))
            at = frame_end
    except struct.error as error:
        raise RecordingError("a frame is incomplete") from error


def encode_block(plain: bytes, flags: int, first: float, last: float) -> bytes:
    """Return a block.

    Args:
        plain: the frames.
        flags: `STARTS_SEGMENT` or 0.
        first: wall clock of the first frame, seconds since the Unix epoch.
        last: the same of the last one.
    """
    packed = zlib.compress(plain, _LEVEL)
    if is_dense(len(plain), len(packed)):
        parts = (part for frame in decode_frames(plain) for part in frame.parts)
        if not is_within(len(plain), len(packed), parts):
            packed = zlib.compress(plain, 0)  # a reader would reject it: see bounds
    header = _HEADER.pack(MARKER, flags, len(packed), len(plain), first, last)
    return header + _CRC.pack(zlib.crc32(packed, zlib.crc32(header))) + packed


def decode_header(data: bytes) -> BlockHeader | None:
    """Return the header at the start of `data`; None where there is no block."""
    if len(data) < HEADER_BYTES:
        return None
    marker, flags, packed, plain, first, last = _HEADER.unpack_from(data)
    if marker != MARKER or plain > MAX_BLOCK or packed > MAX_BLOCK:
        return None
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    return BlockHeader(flags, packed, plain, first, last, crc)


def is_intact(data: bytes, header: BlockHeader, packed: bytes) -> bool:
    """Return whether a block is complete and its checksum is right.

    Args:
        data: the bytes of the block's header.
        header: the same, decoded.
        packed: its compressed frames.
    """
    crc = zlib.crc32(packed, zlib.crc32(data[: _HEADER.size]))
    return len(packed) == header.packed and crc == header.crc


def unpack_block(header: BlockHeader, packed: bytes) -> bytes:
    """Return the frames of a block.

    Raises:
        RecordingError: they cannot be decompressed, or have another length than the header says.
    """
    inflating = zlib.decompressobj()
    try:
        plain = inflating.decompress(packed, header.plain + 1)
    except zlib.error as error:
        raise RecordingError(f"a block cannot be decompressed: {error}") from error
    if len(plain) != header.plain:
        raise RecordingError("a block's length differs from that in its header")
    return plain
