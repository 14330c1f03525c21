"""Limits the memory that the blocks of a recording can take. Pure.

zlib expands a byte to up to a thousand, and a msgpack value of three bytes takes eighty or more in
Python: without limits a file of 73 KB takes 1.2 GB. The messages of a daemon are never that dense,
so the bytes and the values of a block are limited in proportion to its compressed bytes. The values
of a block within `USUAL_RATIO` are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable

from zinfo.errors import RecordingError

USUAL_RATIO = 32
"""Bytes of frames per compressed byte up to which the values of a block are not counted."""

MAX_RATIO = 300
"""Limit of the bytes of frames per compressed byte; a thousand identical shards have 150."""

MAX_VALUES = 20
"""Limit of the msgpack values per compressed byte, in blocks above `USUAL_RATIO`; a thousand idle
shards that differ only in run_id, memory and uptime have 13."""

_FREE_BYTES = 4 << 20  # of frames that a recording may have in addition
_FREE_VALUES = 250_000  # values that a recording may have in addition

_U8, _U16, _U32 = 1, 2, 4  # bytes of a length
# msgpack types by their first byte: those with a length field, and those of a fixed size.
_SIZED = {0xC4: _U8, 0xC5: _U16, 0xC6: _U32, 0xD9: _U8, 0xDA: _U16, 0xDB: _U32}
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_ARRAYS = {0xDC: _U16, 0xDD: _U32}
_MAPS = {0xDE: _U16, 0xDF: _U32}


class Bounds:
    """The bytes and values that one recording may still take."""

    def __init__(self) -> None:
        self._bytes = _FREE_BYTES
        self._values = _FREE_VALUES
        self._counts = False

    def begin(self, plain: int, packed: int) -> None:
        """Count a block before it is decompressed.

        Args:
            plain: bytes of its frames.
            packed: bytes of the compressed frames.

        Raises:
            RecordingError: it is larger than a recorded block can be.
        """
        self._counts = is_dense(plain, packed)
        if self._counts:
            self._bytes += MAX_RATIO * packed - plain
            self._values += MAX_VALUES * packed
        if self._bytes < 0:
            raise RecordingError(
                f"{plain} bytes in {packed} compressed bytes are too many for a recording"
            )

    def take(self, parts: Iterable[bytes]) -> None:
        """Count the values in the parts of a frame before they are decoded.

        Raises:
            RecordingError: there are more values than a recorded block can have.
        """
        if not self._counts:
            return
        for part in parts:
            self._values -= count_values(part, self._values)
            if self._values < 0:
                raise RecordingError("it has more values than its size allows")


def is_dense(plain: int, packed: int) -> bool:
    """Return whether the values of a block are to be counted."""
    return plain > USUAL_RATIO * packed


def is_within(plain: int, packed: int, parts: Iterable[bytes]) -> bool:
    """Return whether a block is within the limits by itself."""
    if not is_dense(plain, packed):
        return True
    left = MAX_VALUES * packed
    for part in parts:
        left -= count_values(part, left)
    return left >= 0 and plain <= MAX_RATIO * packed


def count_values(data: bytes, most: int) -> int:
    """Return the number of msgpack values in `data`, keys and containers included.

    Args:
        data: one value; bytes that are not msgpack are counted as well as possible.
        most: counting stops when this is exceeded.
    """
    at, due, count, end = 0, 1, 0, len(data)
    while due > 0 and at < end and count <= most:
        kind = data[at]
        at, due, count = at + 1, due - 1, count + 1
        if (
            kind < 0x80 or kind >= 0xE0
        ):  # small numbers; with the short texts below they are the most frequent
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
