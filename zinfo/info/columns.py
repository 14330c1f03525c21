"""Column: the values of one field of many shards, as packed numbers where all are numbers. Pure.

The layout is that of Arrow's primitive arrays (https://arrow.apache.org/docs/format/Columnar.html),
with a byte instead of a bit for the validity of each value: numpy and polars take both as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

import msgspec

from zinfo.info.values import Value
from zinfo.wire.codec import array_header, pack_fields

ABSENT, INTEGER, FRACTION, OTHER = range(4)
"""Marks: what a value is; `native/columns.c` has the same numbers."""

VALUE_BYTES: Final = 8
"""Bytes of a packed number."""

_INT64 = struct.Struct("<q")
_FLOAT64 = struct.Struct("<d")
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_NIL = b"\xc0"
_VALID: Final = bytes([0, *[1] * 255])  # by mark
_BATCH = 256  # values converted between two yield points


def set_length(array: bytearray, length: int) -> None:
    """Cut an array, or append zeros to it."""
    if length > len(array):
        array.extend(bytes(length - len(array)))
    else:
        del array[length:]


class Column:
    """The values of one field, in the order of the shards.

    Attributes:
        values: 8 bytes for each shard, little-endian: an int64 or a float64, by its mark.
        marks: a byte for each shard: `ABSENT`, `INTEGER`, `FRACTION` or `OTHER`.
        others: position to msgpack of the values that are not packed numbers.
    """

    __slots__ = ("marks", "others", "values")

    def __init__(self) -> None:
        self.values = bytearray()
        self.marks = bytearray()
        self.others: dict[int, bytes] = {}

    def resize(self, count: int) -> None:
        """Set the number of shards; an added value is absent."""
        for position in range(count, len(self.marks)):
            self.others.pop(position, None)
        set_length(self.values, VALUE_BYTES * count)
        set_length(self.marks, count)

    def append(self, values: bytearray, marks: bytearray) -> None:
        """Add the values of more shards; the arrays belong to the column from now on."""
        if self.marks:
            self.values += values
            self.marks += marks
        else:
            self.values, self.marks = values, marks

    def set(self, position: int, value: Value | None) -> int:
        """Set a value that was absent or `OTHER`.

        Args:
            position: of the shard.
            value: as `parse` returns it; None if the shard does not have the field.

        Returns:
            The number of bytes of msgpack if the value is not a packed number; otherwise 0.
        """
        if value is None:
            self.marks[position] = ABSENT
        elif type(value) is float:
            self.marks[position] = FRACTION
            _FLOAT64.pack_into(self.values, VALUE_BYTES * position, value)
        elif type(value) is int and _INT64_MIN <= value <= _INT64_MAX:  # not a bool
            self.marks[position] = INTEGER
            _INT64.pack_into(self.values, VALUE_BYTES * position, value)
        else:
            self.marks[position] = OTHER
            self.others[position] = packed = pack_fields(value)
            return len(packed)
        return 0

    def as_map(self, yield_point: Callable[[], None]) -> dict[str, object]:
        """Return the column as it is sent; it cannot be changed afterwards.

        Args:
            yield_point: called repeatedly while many values are converted.
        """
        fractions = FRACTION in self.marks
        if self.others or (
            fractions and INTEGER in self.marks and not self._become_fractions(yield_point)
        ):
            return {"type": "mixed", "data": self._mixed(yield_point), "valid": None}
        return {
            "type": "float64" if fractions else "int64",
            "data": self.values,
            "valid": self.marks.translate(_VALID) if ABSENT in self.marks else None,
        }

    def _become_fractions(self, yield_point: Callable[[], None]) -> bool:
        """Convert the integers; False if one of them is not exact as a fraction."""
        converted = bytearray(self.values)
        for position, mark in enumerate(self.marks):
            if position % _BATCH == 0:
                yield_point()
            if mark == INTEGER:
                (whole,) = _INT64.unpack_from(converted, VALUE_BYTES * position)
                if int(float(whole)) != whole:
                    return False
                _FLOAT64.pack_into(converted, VALUE_BYTES * position, whole)
        self.values = converted
        return True

    def _mixed(self, yield_point: Callable[[], None]) -> msgspec.Raw:
        parts = [array_header(len(self.marks))]
        for position, mark in enumerate(self.marks):
            if position % _BATCH == 0:
                yield_point()
            if mark == OTHER:
                parts.append(self.others[position])
            elif mark == ABSENT:
                parts.append(_NIL)
            else:
                packed = _INT64 if mark == INTEGER else _FLOAT64
                parts.append(pack_fields(*packed.unpack_from(self.values, VALUE_BYTES * position)))
        self.others = {}  # freeing those of all columns at once would take milliseconds
        return msgspec.Raw(b"".join(parts))
