"""Tells the lines of a reply apart: fields, headers, comments, blank lines and bad ones. Pure.

docs/reference/info.md has the rules.
"""

from __future__ import annotations

from typing import Final

from zinfo.info.text import read_text
from zinfo.native.loader import native

BLANK: Final = frozenset((b"\r", b""))
"""The usual blank lines, without their LF."""

_HASH: Final = ord("#")
_NOT_IN_TITLES: Final = frozenset(":\"'")


def split_lines(raw: bytes) -> list[bytes]:
    """Split a reply into lines, without LF but with CR: most lines are never parsed.

    Args:
        raw: The reply's bytes.

    Returns:
        The lines; the text after the last LF, often empty, is one more.
    """
    return raw.split(b"\n")


def section_title(line: bytes) -> str:
    """Return the title in a line that starts with `#`; empty if the line is a comment.

    A title is one word, or several of which none starts with a small letter: `Cluster Info` and
    `Replication(Master && SLAVE)`, but not `Start async statistics` and `Time: 1970-01-01`.

    Args:
        line: The line, with or without CR.
    """
    title = read_text(line[1:]).strip()
    if not _NOT_IN_TITLES.isdisjoint(title):
        return ""
    words = title.split()
    is_title = len(words) == 1 or (title[:1].isupper() and not any(map(_is_small, words)))
    return title if is_title else ""


def _is_small(word: str) -> bool:
    return word[0].islower()


def has_fields(raw: bytes) -> bool:
    """Return whether at least one line of a reply is a field; without one it is not a snapshot.

    Args:
        raw: The reply's bytes.
    """
    colon = raw.find(b":")
    while colon >= 0:
        start = raw.rfind(b"\n", 0, colon) + 1
        if start < colon and raw[start] != _HASH:
            return True
        end = raw.find(b"\n", colon)
        colon = raw.find(b":", end) if end >= 0 else -1
    return False


def count_bad_lines(raw: bytes) -> int:
    """Return the number of lines that are neither a field nor a header, a comment or blank.

    Args:
        raw: The reply's bytes.
    """
    return (_count_bad if native is None else native.count_bad_lines)(raw)


def _count_bad(raw: bytes) -> int:
    nameless = (line for line in raw.split(b"\n") if line.find(b":") <= 0 and line not in BLANK)
    return sum(line[0] != _HASH and not line.isspace() for line in nameless)
