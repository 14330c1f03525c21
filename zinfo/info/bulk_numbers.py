"""Parses many numbers in one call, by a JSON decoder: INFO writes numbers as JSON does.

Most of what changes from one INFO to the next are values such as `3071` and
`calls=64,usec=99,usec_per_call=1.55`. A Python function call for each number would cost more than
the rest of a poll; msgspec's decoder reads all of them in one call.

The result is always the one that `values.py` gives. For input that may differ, the functions return
None, and the caller parses it with `values.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, cast

import msgspec

from zinfo.info.values import Value

_decode_plain: Final = msgspec.json.Decoder(list[int | float]).decode
_decode_pairs: Final = msgspec.json.Decoder(dict[str, dict[str, int | float]]).decode

_LONG: Final = b"0" * 19
"""As many digits as an integer has that may be too large for msgpack."""


def _shape() -> bytes:
    """Return the class of each byte: `0` for digits, `e` for e and E, `!` for bytes not allowed."""
    shape = bytearray(b"!" * 256)
    for byte in range(ord("!"), 0x7F):
        shape[byte] = byte
    for byte in b'"\\{}[]':  # syntax in JSON
        shape[byte] = ord("!")
    for byte in b"123456789":
        shape[byte] = ord("0")
    shape[ord("E")] = ord("e")
    for byte in b"\r\n":
        shape[byte] = byte
    return bytes(shape)


_SHAPE: Final = _shape()


def read_plain(values: Collection[bytes]) -> list[Value] | None:
    """Parse numbers.

    Args:
        values: The texts after the colon of some lines, without CR.

    Returns:
        Each value as `values.read_value` returns it; None where the results might differ.
    """
    text = b",".join(values)
    if b"\r" in text or not _is_safe(text):
        return None  # a CR is white space in JSON
    try:
        numbers = _decode_plain(b"[%b]" % text)
    except (ValueError, msgspec.DecodeError):
        return None
    return cast("list[Value]", numbers) if len(numbers) == len(values) else None


def read_pairs(lines: Sequence[bytes]) -> dict[str, Value] | None:
    """Parse lines whose values are pairs of a name and a number.

    Args:
        lines: Lines of a reply, with or without CR.

    Returns:
        Field name to pairs, in the order of the lines, as `values.read_line` returns them; None
        where the results might differ, or where a name is repeated.
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
    grown = len(named) - len(opened)  # one byte for each pair
    if len(maps) != len(lines) or sum(map(len, maps.values())) != grown:
        return None  # a name was repeated, in a line or as the name of two lines
    return cast("dict[str, Value]", maps)


def _is_safe(text: bytes) -> bool:
    """Return whether each JSON number in the text is the same number by the rules of INFO."""
    shape = text.translate(_SHAPE)
    if b"!" in shape or _LONG in shape or b"0e" in shape:
        return False  # the rules for exponents differ: only JSON has `7e12`
    return b"-" not in shape or b"-0" not in text  # JSON would drop the sign of an integer zero
