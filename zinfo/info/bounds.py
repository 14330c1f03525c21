"""Bounds of an INFO reply beyond its bytes: what is in it decides what reading it costs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zinfo.native.loader import native

MAX_FIELDS: Final = 3000
"""Lines of a reply, where nothing else is configured."""

COMMAS_PER_LINE: Final = 3
"""Commas of a reply for each line that it may have: they part the values of maps and lists."""

UNCOUNTED_BYTES: Final = 8
"""Bytes for each line that a reply may have, up to which it is not counted: by far most have less,
and to count costs as much as a tenth of a poll. No field that has a value is much shorter."""


def size_problem(raw: bytes, max_fields: int) -> str:
    """Return what a reply has too much of, in words; "" where it is within the bounds.

    Args:
        raw: the reply's bytes.
        max_fields: lines that it may have, and a third of the commas.
    """
    if len(raw) <= UNCOUNTED_BYTES * max_fields:
        return ""
    count = _count if native is None else native.count_marks
    return _words(*count(raw), max_fields)


def size_problem_of_fields(fields: Mapping[str, object], max_fields: int) -> str:
    """Return the same of an INFO that a client parsed."""
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
