"""Escapes control characters in text from servers and daemons, which could control a terminal."""

from __future__ import annotations

# C0 and C1 control characters, line separators, and bidirectional formatting.
_UNSAFE = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F))
_UNSAFE_MARKS = (0x200E, 0x200F, 0x061C, *range(0x2066, 0x206A))
_ESCAPES = {code: ascii(chr(code))[1:-1] for code in (*_UNSAFE, *_UNSAFE_MARKS)}
_ESCAPES |= dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")  # cannot be encoded


def printable(text: str) -> str:
    r"""Return `text` in one line, with control characters escaped as in Python: `\x1b`."""
    return text.translate(_ESCAPES)


def printable_lines(text: str) -> str:
    """Return `text` like `printable`, but with its line ends."""
    return "\n".join(map(printable, text.split("\n")))
