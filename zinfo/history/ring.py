"""ShardRing: the newest values of each series of one shard, in bounded memory. Pure.

The values are in one bytearray, which native code writes as well:

    8 float64   the numbers of `series.COUNTERS` at the newest step, in the machine's byte order
    8 float32   for each series its value, if all values so far are equal
    8 bytes     for each series its place, as below
    a byte for each step: a bit for each series that has a value there
    for each series that has a place of its own: a float32 for each step

A series gets a place of its own only once it had two different values: a primary has no lag, and
most servers evict nothing. All float32 are little-endian, as clients get them; NaN is no value.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Final

from zinfo.history.series import COUNTERS, KINDS, NAMES, SERIES, numbers_of, values_of
from zinfo.native.loader import native
from zinfo.wire.history_pages import NAN, VALUE_BYTES

_COUNT: Final = len(SERIES)
_COUNTERS: Final = struct.Struct(f"={len(COUNTERS)}d")
_NO_COUNTERS: Final = _COUNTERS.pack(*(math.nan,) * len(COUNTERS))
_VALUE: Final = struct.Struct("<f")
_MAX_VALUE: Final = 1e38  # float32 has no larger finite numbers
_CONSTANTS_AT: Final = _COUNTERS.size
_PLACES_AT: Final = _CONSTANTS_AT + VALUE_BYTES * _COUNT
_PRESENT_AT: Final = _PLACES_AT + _COUNT
_EMPTY, _CONSTANT = 255, 254  # places of a series without values, and of one of equal values


class ShardRing:
    """The values of one shard by step; at most one value of each series for a step.

    Args:
        size: number of steps.

    Attributes:
        newest: the newest step that was written; -1 before the first.
        due: when the next one begins, by the monotonic clock; an INFO before that is not needed.
        at: when the INFO of the newest step arrived, by the monotonic clock.
        interrupted: whether the shard has not answered at some time since then.
        is_reset: whether its counters cannot be compared with those of the newest step.
    """

    __slots__ = ("_bytes", "_size", "at", "due", "interrupted", "is_reset", "newest")

    def __init__(self, size: int) -> None:
        self.newest = -1
        self.due = self.at = -math.inf
        self.interrupted = self.is_reset = False
        self._size = size
        self._bytes = bytearray(_PRESENT_AT + size)
        self._bytes[:_CONSTANTS_AT] = _NO_COUNTERS
        self._bytes[_PLACES_AT:_PRESENT_AT] = bytes([_EMPTY]) * _COUNT

    def write(self, step: int, reply: bytes | Sequence[float], seconds: float) -> None:
        """Store the values of a step after the newest; steps between them have none.

        Args:
            step: its number.
            reply: an INFO as the server sent it, or the numbers of `series.FIELDS` in it.
            seconds: since the INFO of the newest step, for rates; 0 for no rates.
        """
        if self.newest >= 0:
            self._fill(self.newest + 1, step, None)
        at = step % self._size
        if native is not None and isinstance(reply, bytes):
            native.write_point(self._bytes, self._size, at, reply, NAMES, KINDS, seconds)
        else:
            numbers = numbers_of(reply) if isinstance(reply, bytes) else reply
            write_numbers(self._bytes, self._size, at, numbers, seconds)
        self.newest = step

    def repeat(self, first: int) -> None:
        """Store the values of the newest step for the steps before it, from `first` on."""
        self._fill(first, self.newest, self.newest % self._size)

    def read(self, number: int, last: int, count: int, held: int = 0) -> bytes | None:
        """Return the values of a series, oldest first, as packed float32 (little-endian).

        Args:
            number: of the series.
            last: the last step.
            count: number of steps.
            held: the value of the newest step is repeated for so many steps after it.

        Returns:
            NaN for a step without a value; None if the series never had one.
        """
        if self._bytes[_PLACES_AT + number] == _EMPTY:
            return None
        size, newest, wanted = self._size, self.newest, last - count + 1
        before = min(max(newest - size + 1 - wanted, 0), count)  # no longer stored
        first = wanted + before
        stored = max(min(last, newest) - first + 1, 0)
        found = self._stored(number, first % size, stored)
        missing = count - before - stored
        if missing and held:
            held = max(min(last, newest + held) - max(first, newest + 1) + 1, 0)
            found += self._stored(number, newest % size, 1) * held
            missing -= held
        return NAN * before + found + NAN * missing if before or missing else found

    def _stored(self, number: int, start: int, count: int) -> bytes:
        """Return values from a position on."""
        data, size, place = self._bytes, self._size, self._bytes[_PLACES_AT + number]
        ranges = self._ranges(start, count)
        if place == _CONSTANT:
            constant = _get(data, _CONSTANTS_AT, number)
            present = b"".join(data[_PRESENT_AT + one : _PRESENT_AT + end] for one, end in ranges)
            return b"".join([constant if mask >> number & 1 else NAN for mask in present])
        at = _start_of(place, size)
        return b"".join(
            [data[at + VALUE_BYTES * one : at + VALUE_BYTES * end] for one, end in ranges]
        )

    def _fill(self, first: int, end: int, source: int | None) -> None:
        """Set all values of the steps from `first` to the one before `end`.

        Args:
            first: the first step; `end` is at most the one after the newest.
            end: the step after the last one.
            source: position of the values; None for no values.
        """
        data, size = self._bytes, self._size
        count = min(end - first, size - 1)
        if count <= 0:
            return
        present = b"\0" if source is None else data[_PRESENT_AT + source : _PRESENT_AT + source + 1]
        places = [place for place in data[_PLACES_AT:_PRESENT_AT] if place < _COUNT]
        for one, other in self._ranges((end - count) % size, count):
            data[_PRESENT_AT + one : _PRESENT_AT + other] = present * (other - one)
            for start in (_start_of(place, size) for place in places):
                value = NAN if source is None else _get(data, start, source)
                begins = start + VALUE_BYTES * one
                data[begins : start + VALUE_BYTES * other] = value * (other - one)

    def _ranges(self, start: int, count: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the ranges of some positions; the ring continues at its beginning."""
        end, size = start + count, self._size
        return (start, min(end, size)), (0, max(end - size, 0))


def write_numbers(
    ring: bytearray, size: int, at: int, numbers: Sequence[float], seconds: float
) -> None:
    """Write the values of an INFO to a ring; `write_point` of `zinfo._native` does the same.

    Args:
        ring: the bytearray of a `ShardRing`.
        size: number of steps.
        at: position of the step.
        numbers: of `series.FIELDS` in the INFO.
        seconds: since the INFO whose values were written before; 0 for no rates.
    """
    values = values_of(numbers, _COUNTERS.unpack_from(ring), seconds)
    present = 0
    for number, value in enumerate(values):
        is_number = -_MAX_VALUE < value < _MAX_VALUE
        present |= is_number << number
        _write_value(ring, size, at, number, _VALUE.pack(value) if is_number else NAN)
    _COUNTERS.pack_into(ring, 0, *numbers[: len(COUNTERS)])
    ring[_PRESENT_AT + at] = present


def _write_value(ring: bytearray, size: int, at: int, number: int, value: bytes) -> None:
    place = ring[_PLACES_AT + number]
    if place == _EMPTY and value != NAN:
        ring[_PLACES_AT + number] = _CONSTANT
        _set(ring, _CONSTANTS_AT, number, value)
    elif place == _CONSTANT and value not in (NAN, _get(ring, _CONSTANTS_AT, number)):
        constant, place = _get(ring, _CONSTANTS_AT, number), _places_of(ring, size)
        present = ring[_PRESENT_AT : _PRESENT_AT + size]
        ring.extend(b"".join([constant if mask >> number & 1 else NAN for mask in present]))
        ring[_PLACES_AT + number] = place
    if place < _COUNT:
        _set(ring, _start_of(place, size), at, value)


def _places_of(ring: bytearray, size: int) -> int:
    """Return the number of places that a ring has."""
    return (len(ring) - _PRESENT_AT - size) // (VALUE_BYTES * size)


def _start_of(place: int, size: int) -> int:
    return _PRESENT_AT + size + VALUE_BYTES * place * size


def _get(ring: bytearray, start: int, at: int) -> bytes:
    return bytes(ring[start + VALUE_BYTES * at : start + VALUE_BYTES * (at + 1)])


def _set(ring: bytearray, start: int, at: int, value: bytes) -> None:
    ring[start + VALUE_BYTES * at : start + VALUE_BYTES * (at + 1)] = value
