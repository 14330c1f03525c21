"""Many numbers at once: INFO writes numbers as JSON does, so a JSON decoder reads them.

Most of what changes from one INFO to the next are values such as `3071` and
`calls=64,usec=99,usec_per_call=1.55`. A step of Python's for each of their numbers costs more than
all else that a poll does; msgspec's decoder reads them all in one call.

It only ever takes what `info_values` reads to the same values. Whatever might be something else is
left to that: the answer is then None.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, cast

import msgspec

from zinfo.info.values import Value

_decode_plain: Final = msgspec.json.Decoder(list[int | float]).decode
_decode_pairs: Final = msgspec.json.Decoder(dict[str, dict[str, int | float]]).decode

_LONG: Final = b"0" * 19
"""Digits from which on an integer may be beyond what msgpack can carry."""


def _shape() -> bytes:
    """What a byte is to the reader: any digit a 0, either e an e, `!` what must not be there."""
    shape = bytearray(b"!" * 256)
    for byte in range(ord("!"), 0x7F):
        shape[byte] = byte
    for byte in b'"\\{}[]':  # these mean something to JSON
        shape[byte] = ord("!")
    for byte in b"123456789":
        shape[byte] = ord("0")
    shape[ord("E")] = ord("e")
    for byte in b"\r\n":
        shape[byte] = byte
    return bytes(shape)


_SHAPE: Final = _shape()


def read_plain(values: Collection[bytes]) -> list[Value] | None:
    """Read numbers.

    Args:
        values: What stands after the colon of some lines, without their CR.

    Returns:
        Each as `info_values.read_value` reads it; None where that cannot be promised.
    """
    text = b",".join(values)
    if not _is_safe(text):
        return None
    try:
        numbers = _decode_plain(b"[%b]" % text)
    except (ValueError, msgspec.DecodeError):
        return None
    return cast("list[Value]", numbers) if len(numbers) == len(values) else None


def read_pairs(lines: Sequence[bytes]) -> dict[str, Value] | None:
    """Read lines that are a name and pairs of a name and a number.

    Args:
        lines: As they came, with their CR or without.

    Returns:
        Name to pairs, in the order of the lines, as `info_values.read_line` reads them; None where
        that cannot be promised, or where a name is repeated.
    """
    if not lines:
        return {}
    text = b"\n".join(lines)
    line_end = b"\r\n" if lines[-1].endswith(b"\r") else b"\n"
    if line_end == b"\r\n":
        text = text[:-1]
    opened = text.replace(b":", b'":{"').replace(b",", b',"')
    named = opened.replace(b"=", b'":')
    ended = named.replace(line_end, b'},"')
    if not _is_safe(text) or b"\r" in ended or b"\n" in ended:
        return None
    try:
        maps = _decode_pairs(b'{"%b}}' % ended)
    except (ValueError, msgspec.DecodeError):
        return None
    grown = len(named) - len(opened)  # by a byte for each pair
    if len(maps) != len(lines) or sum(map(len, maps.values())) != grown:
        return None  # a name stood twice, in one line or for two
    return cast("dict[str, Value]", maps)


def _is_safe(text: bytes) -> bool:
    """Whether all that JSON takes for a number is one to INFO, too, and the same."""
    shape = text.translate(_SHAPE)
    if b"!" in shape or _LONG in shape or b"0e" in shape:
        return False  # INFO's numbers have no exponent without a point before it
    return b"-" not in shape or b"-0" not in text  # the sign of a zero
