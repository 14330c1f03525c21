"""Limits on lines and values of an INFO reply, which decide what parsing it costs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zinfo.native.loader import native

MAX_FIELDS: Final = 3000
"""Default for the number of lines that a reply may have."""

COMMAS_PER_LINE: Final = 3
"""Commas allowed for each line allowed; commas separate the values of maps and lists."""

UNCOUNTED_BYTES: Final = 8
"""Bytes for each line allowed; a shorter reply is not counted. Counting costs a tenth of a poll, by
far most replies are shorter, and hardly any field with a value takes fewer bytes."""


def size_problem(raw: bytes, max_fields: int) -> str:
    """Return the limit that a reply exceeds, as text for people; "" where it exceeds none.

    Args:
        raw: the reply's bytes.
        max_fields: number of lines allowed; of commas, three times as many are.
    """
    if len(raw) <= UNCOUNTED_BYTES * max_fields:
        return ""
    count = _count if native is None else native.count_marks
    return _words(*count(raw), max_fields)


def size_problem_of_fields(fields: Mapping[str, object], max_fields: int) -> str:
    """Return the same for an INFO that a client library parsed."""
    parts = sum(len(value) for value in fields.values() if isinstance(value, (dict, list)))
    return _words(len(fields), parts, max_fields)


def _words(lines: int, parts: int, max_fields: int) -> str:
    if lines > max_fields:
        return f"INFO of {lines} lines, over the bound of {max_fields} (poll.max_fields)"
    if parts > COMMAS_PER_LINE * max_fields:
        bound = f"{COMMAS_PER_LINE} times {max_fields} (poll.max_fields)"
        return f"INFO of {parts} values in lists and maps, over the bound of {bound}"
    return ""


def _count(raw: bytes) -> tuple[int, int]:
    return raw.count(b"\n"), raw.count(b",")
