"""INFO text to typed fields and sections, and what changed from one INFO to the next.

Pure: bytes in, plain values out; no I/O, nothing but the standard library.

`parse` reads a whole reply. `update` reads only what differs from the reply before it, and says
what that was. `find_field` takes one value out of the bytes without a parse. What a single value
becomes is in `info_values`; the rules, and where they leave redis-py's, are in docs/info.md.

Nothing here raises on any bytes: a line that is no field is counted in `Info.bad_lines`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import compress
from operator import ne
from typing import Final, NamedTuple

from zinfo.info_values import (
    STATS_PREFIXES,
    Value,
    keep,
    keep_names,
    known_line,
    known_name,
    learn_line,
    learn_name,
    read_line,
    read_stats,
)

__all__ = [
    "Delta",
    "Info",
    "Value",
    "diff",
    "find_field",
    "has_fields",
    "parse",
    "read_fields",
    "section_fields",
    "update",
]

ALWAYS_LISTS: Final = frozenset(("module",))
"""Fields that servers repeat, a line for each thing: a list even where there is only one."""

BLANK: Final = ("\r", "")
"""What is left of a blank line."""
LAYOUT_BYTES: Final = 32
"""How much of a reply tells its server's version, and so where its fields are."""
NEAR: Final = 96
"""Bytes that a field may have moved from where it was in another reply, to be found quickly."""
MAX_OFFSETS: Final = 1024
"""Remembered places of fields: a few fields for each version of a server."""

_HASH: Final = ord("#")
_offsets: dict[tuple[bytes, bytes], int] = {}


class Delta(NamedTuple):
    """What turns the fields of one INFO into those of the next."""

    set: dict[str, Value]
    """Fields that are new or have another value (or type)."""
    unset: list[str]
    """Fields that are gone."""


class Info:
    """One INFO reply, read.

    Treat it as read-only: replies share what they have in common, with the reply before them
    and with other shards.

    Attributes:
        raw: The reply as it came.
        fields: Field name to value, in the reply's order.
        sections: Section name, as the server wrote it, to the names of its fields. Fields before
            any header are under the empty name.
        bad_lines: How many lines were neither a field nor a header nor a comment.
    """

    __slots__ = ("bad_lines", "fields", "raw", "sections")

    def __init__(
        self,
        raw: bytes,
        fields: dict[str, Value],
        sections: dict[str, tuple[str, ...]],
        bad_lines: int = 0,
    ) -> None:
        self.raw = raw
        self.fields = fields
        self.sections = sections
        self.bad_lines = bad_lines

    def __repr__(self) -> str:
        return (
            f"<Info: {len(self.fields)} fields in {len(self.sections)} sections, "
            f"{self.bad_lines} bad lines, {len(self.raw)} bytes>"
        )


def parse(raw: bytes) -> Info:
    """Read a whole INFO reply.

    Args:
        raw: The reply's bytes, lines ended by CRLF or LF.

    Returns:
        The fields, the sections that hold them, and the number of lines that made no sense.
    """
    return _parse_lines(raw, _lines(raw))


def update(previous: Info, raw: bytes) -> tuple[Info, Delta]:
    """Read an INFO reply by what differs from the reply before it.

    Args:
        previous: The newest INFO of the same shard; it is left as it is.
        raw: The new reply's bytes.

    Returns:
        The same as `parse(raw)`, with all unchanged values shared with `previous`; and the
        difference, as `diff(previous.fields, info.fields)` gives it.
    """
    if raw == previous.raw:
        return previous, Delta({}, [])
    lines = _lines(raw)
    changed = _changed_fields(previous.fields, _lines(previous.raw), lines)
    if changed is not None:
        info = Info(raw, previous.fields | changed, previous.sections, previous.bad_lines)
        return info, Delta(changed, [])
    info = _parse_lines(raw, lines)
    delta = diff(previous.fields, info.fields)
    info.fields.update(previous.fields)  # fields keep their places, values become the old ones
    info.fields.update(delta.set)
    for name in delta.unset:
        del info.fields[name]
    return info, delta


def diff(old: Mapping[str, Value], new: Mapping[str, Value]) -> Delta:
    """Compare two maps of fields, types included: 1 and 1.0 differ.

    Args:
        old: The fields before.
        new: The fields now.

    Returns:
        What to set in `old`, and what to drop from it, to get `new`.
    """
    changed = {
        name: value
        for name, value in new.items()
        if (before := old.get(name)) is not value and (before is None or not _same(before, value))
    }
    return Delta(changed, [name for name in old if name not in new])


def find_field(raw: bytes, name: bytes) -> bytes | None:
    """Find one field's text in a reply without reading the rest.

    Args:
        raw: The reply's bytes.
        name: The field's name.

    Returns:
        The text after the name's colon, or None where there is no such line. Of a repeated
        field, one of them.
    """
    wanted = b"\n%b:" % name
    key = (name, raw[:LAYOUT_BYTES])
    near = _offsets.get(key)
    # A search of the whole reply costs microseconds, and the poller wants some fields each time.
    start = -1 if near is None else raw.find(wanted, max(near - NEAR, 0), near + NEAR)
    if start < 0:
        start = raw.find(wanted)
        if start >= 0:
            keep(_offsets, key, start, MAX_OFFSETS)
        elif raw.startswith(wanted[1:]):
            start = -1
        else:
            return None
    start += len(wanted)
    end = raw.find(b"\n", start)
    return raw[start : end if end >= 0 else None].removesuffix(b"\r")


def read_fields(raw: bytes, names: Collection[str]) -> dict[str, Value] | None:
    """Read some fields by name, and nothing else.

    Args:
        raw: The reply's bytes.
        names: The fields' names.

    Returns:
        Those that are there, as `parse` reads them; None where only a whole parse can tell.
    """
    found: dict[str, Value] = {}
    for name in names:
        if name in ALWAYS_LISTS or name.startswith(STATS_PREFIXES) or not name.isidentifier():
            return None
        key = name.encode("utf-8", "replace")
        text = find_field(raw, key)
        if text is None:
            continue
        wanted = b"\n%b:" % key
        if raw.count(wanted) + raw.startswith(wanted[1:]) != 1:
            return None  # repeated
        name, reader = known_name(name) or learn_name(name)  # noqa: PLW2901 (the one copy of it)
        found[name] = reader(text.decode("utf-8", "backslashreplace"))
    return found


def has_fields(raw: bytes) -> bool:
    """Say whether `parse` would find any field: an empty reply is no snapshot.

    Args:
        raw: The reply's bytes.

    Returns:
        True where at least one line is a field.
    """
    colon = raw.find(b":")
    while colon >= 0:
        start = raw.rfind(b"\n", 0, colon) + 1
        if start < colon and raw[start] != _HASH:
            return True
        end = raw.find(b"\n", colon)
        colon = raw.find(b":", end) if end >= 0 else -1
    return False


def section_fields(info: Info, wanted: Collection[str]) -> list[str]:
    """Name the fields of some sections.

    Args:
        info: A reply that has been read.
        wanted: Section names in any case. `replication` means `Replication(MASTER)` too.

    Returns:
        The fields' names, in the reply's order, each once.
    """
    asked = {name.lower() for name in wanted}
    found: dict[str, None] = {}
    for section, names in info.sections.items():
        title = section.lower()
        if title in asked or title.partition("(")[0] in asked:
            found.update(dict.fromkeys(names))
    return list(found)


def _lines(raw: bytes) -> list[str]:
    """Split a reply into lines, their CR with them; bytes that are no UTF-8 are escaped."""
    return raw.decode("utf-8", "backslashreplace").split("\n")


def _section_name(header: str) -> str:
    """The name in a header; empty where the line is a comment (`# Time: 1970-01-01`)."""
    name = header.strip()
    return "" if ":" in name or len(name.split(maxsplit=1)) > 1 else name


def _parse_lines(raw: bytes, lines: list[str]) -> Info:
    fields: dict[str, Value] = {}
    names: list[str] = []
    sections = {"": names}
    bad_lines = 0
    for line in lines:
        field = known_line(line)
        if field is None:
            if line in BLANK:
                continue
            if line[0] == "#":
                section = _section_name(line[1:])
                if section:
                    names = sections.setdefault(section, [])
                continue
            field = learn_line(line)
            if field is None:
                bad_lines += bool(line.strip())
                continue
        name, value = field
        fields[name] = value
        names.append(name)
    if len(fields) < sum(map(len, sections.values())) or not fields.keys().isdisjoint(ALWAYS_LISTS):
        fields = _with_lists(lines)
        sections = {section: list(dict.fromkeys(names)) for section, names in sections.items()}
    if not sections[""]:
        del sections[""]
    shared = {section: keep_names(tuple(names)) for section, names in sections.items()}
    return Info(raw, fields, shared, bad_lines)


def _with_lists(lines: list[str]) -> dict[str, Value]:
    """Read the fields once more and gather those that are repeated, or always lists."""
    found = [field for field in map(read_line, lines) if field is not None]
    times = Counter(name for name, _ in found)
    fields: dict[str, Value] = {}
    for name, value in found:
        if times[name] == 1 and name not in ALWAYS_LISTS:
            fields[name] = value
            continue
        gathered = fields.setdefault(name, [])
        assert isinstance(gathered, list)
        gathered.append(value)
    return fields


def _changed_fields(
    fields: dict[str, Value], old_lines: list[str], new_lines: list[str]
) -> dict[str, Value] | None:
    """Read the lines that differ, where every line is still in its place.

    Returns:
        The fields with another value; None where lines came, went or moved, or where one line
        does not tell a field's whole value.
    """
    if len(old_lines) != len(new_lines):
        return None
    changed: dict[str, Value] = {}
    # What differs is found without a step of Python's a line: most lines are the same.
    places = compress(range(len(new_lines)), map(ne, old_lines, new_lines))
    for place in places:
        old_line, new_line = old_lines[place], new_lines[place]
        name, colon, text = new_line.partition(":")
        old_name, _, old_text = old_line.partition(":")
        before = fields.get(name)
        if name != old_name or not colon or before is None or type(before) is list:
            return None
        name, reader = known_name(name) or learn_name(name)
        if reader is read_stats and (":" in text or ":" in old_text):
            return None  # the colon is in the name
        value = reader(text.removesuffix("\r"))
        if before != value or not _same(before, value):
            changed[name] = value
    return changed


def _same(one: Value, other: Value) -> bool:
    """Equality that tells 1 from 1.0 and True, 0.0 from -0.0, and the order in a map."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(map(_same, one.values(), other.values()))
    if isinstance(one, list) and isinstance(other, list):
        return all(map(_same, one, other))
    return bool(one) or repr(one) == repr(other)
