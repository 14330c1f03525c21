"""Decodes the bytes of names and values. Pure."""

from __future__ import annotations

from typing import Final

MAX_KEY_LENGTH: Final = 128
"""Longest name or line that is cached, in characters."""

_BACKSLASH: Final = "\ud800"  # placeholder for a backslash in the input, which never decodes to it
_BACKSLASH_ESCAPED: Final = rb"\ud800"


def read_text(raw: bytes) -> str:
    """Decode text; bytes that are not UTF-8 are escaped as by `backslashreplace`."""
    if len(raw) <= MAX_KEY_LENGTH:
        return raw.decode("utf-8", "backslashreplace")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _escape(raw)


def _escape(raw: bytes) -> str:
    """Decode bytes that are not UTF-8, with the result of the error handler `backslashreplace`.

    While decoding, Python calls that handler for each byte, which takes 0.2 s for a million of
    them. While encoding it is native code, which is five times as fast.
    """
    text = raw.decode("utf-8", "surrogateescape").replace("\\", _BACKSLASH)
    escaped = text.encode("utf-8", "backslashreplace")
    return escaped.replace(rb"\udc", rb"\x").replace(_BACKSLASH_ESCAPED, b"\\").decode()
