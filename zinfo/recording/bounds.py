"""Bounds of what a block of a recording may unpack to. Pure.

zlib makes a thousand bytes of one, and msgpack values of three bytes take eighty or more in Python:
without bounds a file of 73 KB takes 1.2 GB. What a daemon sends is never that dense, so both are
bounded by the compressed bytes. A block that is within `USUAL_RATIO` is not looked at closer.
"""

from __future__ import annotations

from collections.abc import Iterable

from zinfo.errors import RecordingError

USUAL_RATIO = 32
"""Bytes of frames for a compressed byte, up to which a block needs no counting."""

MAX_RATIO = 300
"""Bytes of frames for a compressed byte, at most; a thousand shards that are all alike have 150."""

MAX_VALUES = 20
"""Values of msgpack for a compressed byte, at most, in blocks over `USUAL_RATIO`; a thousand idle
shards that differ in nothing but run_id, memory and uptime have 13."""

_FREE_BYTES = 4 << 20  # of frames that a whole recording may have on top of that
_FREE_VALUES = 250_000  # likewise of values

_U8, _U16, _U32 = 1, 2, 4  # bytes of a length
# The types of msgpack by their first byte: those with a length, and those of so many bytes.
_SIZED = {0xC4: _U8, 0xC5: _U16, 0xC6: _U32, 0xD9: _U8, 0xDA: _U16, 0xDB: _U32}
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_ARRAYS = {0xDC: _U16, 0xDD: _U32}
_MAPS = {0xDE: _U16, 0xDF: _U32}


class Bounds:
    """What has been unpacked of one recording so far."""

    def __init__(self) -> None:
        self._bytes = _FREE_BYTES
        self._values = _FREE_VALUES
        self._counts = False

    def begin(self, plain: int, packed: int) -> None:
        """Take note of a block before it is unpacked.

        Args:
            plain: bytes of its frames.
            packed: bytes of the compressed frames.

        Raises:
            RecordingError: it is larger than what is recorded can be.
        """
        self._counts = is_dense(plain, packed)
        if self._counts:
            self._bytes += MAX_RATIO * packed - plain
            self._values += MAX_VALUES * packed
        if self._bytes < 0:
            raise RecordingError(f"{plain} bytes in {packed} compressed ones are no recording")

    def take(self, parts: Iterable[bytes]) -> None:
        """Take note of the parts of a frame before they are read.

        Raises:
            RecordingError: they hold more values than what is recorded can have.
        """
        if not self._counts:
            return
        for part in parts:
            self._values -= count_values(part, self._values)
            if self._values < 0:
                raise RecordingError("it holds more values than its size allows")


def is_dense(plain: int, packed: int) -> bool:
    """Return whether a block is one whose values are counted."""
    return plain > USUAL_RATIO * packed


def is_within(plain: int, packed: int, parts: Iterable[bytes]) -> bool:
    """Return whether a block is read whatever is in the others."""
    if not is_dense(plain, packed):
        return True
    left = MAX_VALUES * packed
    for part in parts:
        left -= count_values(part, left)
    return left >= 0 and plain <= MAX_RATIO * packed


def count_values(data: bytes, most: int) -> int:
    """Return how many values of msgpack there are in `data`, keys and containers included.

    Args:
        data: one value; what is no msgpack is counted as far as it seems to be.
        most: where the counting may end, as soon as it is exceeded.
    """
    at, due, count, end = 0, 1, 0, len(data)
    while due > 0 and at < end and count <= most:
        kind = data[at]
        at, due, count = at + 1, due - 1, count + 1
        if kind < 0x80 or kind >= 0xE0:  # most are: small numbers, and short texts below
            continue
        if 0xA0 <= kind < 0xC0:
            at += kind & 0x1F
        elif kind < 0x90:
            due += 2 * (kind & 0x0F)
        elif kind < 0xA0:
            due += kind & 0x0F
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind in _SIZED:
            width = _SIZED[kind]
            at += width + int.from_bytes(data[at : at + width], "big")
        elif kind in _ARRAYS or kind in _MAPS:
            width = _ARRAYS.get(kind) or _MAPS[kind]
            items = int.from_bytes(data[at : at + width], "big")
            due += 2 * items if kind in _MAPS else items
            at += width
    return count
