"""Cells: the numbers of a few fields of one reply, as they are packed in columns. Pure.

The cells of a reply are bytes: a mark for each field, then 8 bytes for each, as in
`columns.Column`.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable
from typing import Final

from zinfo.info.columns import ABSENT, FRACTION, INTEGER, OTHER, VALUE_BYTES
from zinfo.info.kinds import STATS_PREFIXES, VALUE, kind_of
from zinfo.info.parser import ALWAYS_LISTS

MAX_CELLS: Final = 64
"""Fields that are followed at most, and of one request."""

_MAX_NAME: Final = 128  # characters; longer ones are names of no server
_MAX_DIGITS: Final = 18  # digits of an integer that always fits 64 bits
_MAX_NUMBER: Final = 64  # bytes of a fraction
_NUMBER: Final = re.compile(
    rb"(-?(?:0|[1-9][0-9]*))(?:(\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-][0-9]+)?)"
)
_NOTHING: Final = bytes(VALUE_BYTES)


def is_simple_field(name: str) -> bool:
    """Return whether each line of the field is `name:value`, and its value may be a number."""
    return (
        name.isidentifier()
        and name.isascii()
        and len(name) <= _MAX_NAME
        and name not in ALWAYS_LISTS
        and not name.startswith(STATS_PREFIXES)
    )


def encoded_names(names: Iterable[str]) -> tuple[tuple[bytes, ...], bytes]:
    """Return the names and kinds of fields in the form that native code takes."""
    names = tuple(names)
    return tuple(name.encode() for name in names), bytes(map(kind_of, names))


def read_cells(raw: bytes, names: tuple[bytes, ...], kinds: bytes) -> bytes:
    """Return the cells of a reply.

    Args:
        raw: the reply.
        names: of the fields.
        kinds: for each of them its kind, see `kinds`.
    """
    cells = [_cell(raw, name, kind) for name, kind in zip(names, kinds, strict=True)]
    return b"".join((bytes(mark for mark, _ in cells), *(value for _, value in cells)))


def _cell(raw: bytes, name: bytes, kind: int) -> tuple[int, bytes]:
    wanted = b"\n%b:" % name
    is_first = raw.startswith(wanted[1:])
    times = raw.count(wanted) + is_first
    if times != 1 or kind != VALUE:
        return (OTHER if times else ABSENT), _NOTHING
    start = len(wanted) - 1 if is_first else raw.index(wanted) + len(wanted)
    end = raw.find(b"\n", start)
    return _number_cell(raw[start : end if end >= 0 else None].removesuffix(b"\r"))


def _number_cell(text: bytes) -> tuple[int, bytes]:
    """Return mark and value; `OTHER` also for numbers that are written in an unusual way."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return OTHER, _NOTHING
    if found[2] is None:
        if text == b"-0" or len(text.removeprefix(b"-")) > _MAX_DIGITS:
            return OTHER, _NOTHING
        return INTEGER, struct.pack("<q", int(text))
    number = float(text) if len(text) <= _MAX_NUMBER else math.inf
    return (FRACTION, struct.pack("<d", number)) if math.isfinite(number) else (OTHER, _NOTHING)
