"""Parses INFO text to typed fields and sections. Pure.

`parse` reads a whole reply. `field_reader.py` finds single fields, and `delta.py` what changed from
one reply to the next. `values.py` parses a single value; docs/reference/info.md has the rules, and
where they differ from those of redis-py.

No input raises an exception: lines that are not valid are counted in `Info.bad_lines`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple

from zinfo.info.bulk_numbers import read_pairs
from zinfo.info.kinds import STATS, STATS_PREFIXES, kind_of
from zinfo.info.values import (
    MAX_NAME_LIST_LENGTH,
    Value,
    cache_entry,
    cached_line,
    intern_names,
    read_and_cache_line,
    read_line,
    read_text,
    stats_name,
)
from zinfo.native.loader import native

__all__ = [
    "Info",
    "Layout",
    "Value",
    "cached_layout",
    "layout_of",
    "parse",
    "section_fields",
    "split_lines",
]

ALWAYS_LISTS: Final = frozenset(("module",))
"""Fields with a line for each item: their value is a list even if there is only one line."""

BLANK: Final = frozenset((b"\r", b""))
"""Blank lines, without their LF."""

MAX_LAYOUTS: Final = 64
"""Numbers of lines for which layouts are cached."""
MAX_LAYOUTS_OF_A_LENGTH: Final = 8
"""Cached layouts with the same number of lines."""

_STATS_RUN: Final = re.compile(b"%c+" % STATS)
_TITLE: Final = re.compile(r"[^\s:]+|[A-Z]\w*(?: [A-Z]\w*)+")  # title of a section
_STATS: Final = tuple(prefix.encode() for prefix in STATS_PREFIXES)
_layouts: dict[int, tuple[Layout, ...]] = {}


class Layout(NamedTuple):
    """Which field is in which line of a reply.

    Attributes:
        names: For each line the name of its field; empty where the line is not a field, or is one
            of several lines of a field.
        kinds: For each line a byte, the kind of its field as `kinds.kind_of` returns it.
        stats: The ranges of consecutive lines of statistics, which are parsed together.
    """

    names: tuple[str, ...]
    kinds: bytes
    stats: tuple[slice, ...]

    @classmethod
    def of(cls, names: tuple[str, ...]) -> Layout:
        """Return the layout with these names."""
        kinds = bytes(map(kind_of, names))
        stats = [slice(*found.span()) for found in re.finditer(_STATS_RUN, kinds)]
        return cls(names, kinds, tuple(stats))


class Info:
    """A parsed INFO reply.

    Treat it as read-only: the replies of several shards share equal parts.

    Attributes:
        raw: The reply's bytes.
        fields: Field name to value, in the reply's order.
        sections: Section name, as the server wrote it, to the names of its fields. Fields before
            the first header are under the empty name.
        layout: The lines that the fields are in.
        bad_lines: Number of lines that are neither a field nor a header nor a comment.
    """

    __slots__ = ("bad_lines", "fields", "layout", "raw", "sections")

    def __init__(
        self,
        raw: bytes,
        fields: dict[str, Value],
        sections: dict[str, tuple[str, ...]],
        layout: Layout,
        bad_lines: int = 0,
    ) -> None:
        self.raw = raw
        self.fields = fields
        self.sections = sections
        self.layout = layout
        self.bad_lines = bad_lines

    def __repr__(self) -> str:
        return (
            f"<Info: {len(self.fields)} fields in {len(self.sections)} sections, "
            f"{self.bad_lines} bad lines, {len(self.raw)} bytes>"
        )


def parse(raw: bytes) -> Info:
    """Parse a whole INFO reply.

    Args:
        raw: The reply's bytes, lines ended by CRLF or LF.

    Returns:
        The fields, their sections, and the number of lines that could not be parsed.
    """
    lines = split_lines(raw)
    fields: dict[str, Value] = {}
    names: list[str] = []
    stats: list[bytes] = []
    sections: dict[str, list[str]] = {}
    section, start, bad_lines = "", 0, 0
    for line in lines:
        field = cached_line(line)
        if field is None and line not in BLANK:
            if line.startswith(_STATS) and b":" in line:
                field = stats_name(line), 0  # 0 until all statistics are parsed together
                stats.append(line)
            else:
                field = read_and_cache_line(line)
        if field is not None:
            name, fields[name] = field
            names.append(name)
            continue
        if line[:1] == b"#":
            title = _section_name(line[1:])
            if title:
                sections.setdefault(section, []).extend(filter(None, names[start:]))
                section, start = title, len(names)
        elif line not in BLANK:
            bad_lines += bool(read_text(line).strip())
        names.append("")
    sections.setdefault(section, []).extend(filter(None, names[start:]))
    fields.update(read_pairs(stats) or filter(None, map(read_line, stats)))
    if len(fields) < sum(map(len, sections.values())) or not fields.keys().isdisjoint(ALWAYS_LISTS):
        fields, list_names = _with_lists(lines)
        names = ["" if name in list_names else name for name in names]
        sections = {section: list(dict.fromkeys(names)) for section, names in sections.items()}
    if not sections.get("", True):
        del sections[""]
    shared = {section: intern_names(tuple(names)) for section, names in sections.items()}
    return Info(raw, fields, shared, _intern_layout(tuple(names)), bad_lines)


def layout_of(raw: bytes) -> Layout:
    """Return the layout of a reply: the same as `parse(raw).layout`, faster if it is cached.

    Args:
        raw: The reply's bytes.
    """
    return cached_layout(raw) or parse(raw).layout


def cached_layout(raw: bytes) -> Layout | None:
    """Return the layout of a reply if an earlier reply had the same; None if not."""
    if native is not None:
        for layout in _layouts.get(raw.count(b"\n") + 1, ()):
            if native.fits(raw, layout.names, layout.kinds):
                return layout
    return None


def section_fields(info: Info, wanted: Collection[str]) -> list[str]:
    """Return the names of the fields in some sections.

    Args:
        info: A parsed reply.
        wanted: Section names in any case. `replication` includes `Replication(MASTER)`.

    Returns:
        The fields' names, in the reply's order, each once.
    """
    titles = {name.lower() for name in wanted}
    found: dict[str, None] = {}
    for section, names in info.sections.items():
        title = section.lower()
        if title in titles or title.partition("(")[0] in titles:
            found.update(dict.fromkeys(names))
    return list(found)


def split_lines(raw: bytes) -> list[bytes]:
    """Split a reply into lines, without LF but with CR: most lines are never parsed.

    Args:
        raw: The reply's bytes.

    Returns:
        The lines; the text after the last LF, often empty, is one more.
    """
    return raw.split(b"\n")


def _intern_layout(names: tuple[str, ...]) -> Layout:
    """Share one copy of a layout between shards."""
    candidates = _layouts.get(len(names), ())
    for layout in candidates:
        if layout.names == names:
            return layout
    layout = Layout.of(names)
    if sum(map(len, names)) <= MAX_NAME_LIST_LENGTH:
        cache_entry(
            _layouts, len(names), (layout, *candidates)[:MAX_LAYOUTS_OF_A_LENGTH], MAX_LAYOUTS
        )
    return layout


def _section_name(header: bytes) -> str:
    """Return the name in a header; empty if the line is a comment (`# Time: 1970-01-01`)."""
    name = read_text(header).strip()
    return name if _TITLE.fullmatch(name) else ""


def _with_lists(lines: list[bytes]) -> tuple[dict[str, Value], set[str]]:
    """Parse the lines again, with lists for fields that are repeated or always lists.

    Returns:
        The fields, and the names of those that are lists.
    """
    found = [field for field in map(read_line, lines) if field is not None]
    times = Counter(name for name, _ in found)
    list_names = {name for name in times if times[name] > 1 or name in ALWAYS_LISTS}
    fields: dict[str, Value] = {}
    for name, value in found:
        if name not in list_names:
            fields[name] = value
            continue
        items = fields.setdefault(name, [])
        assert isinstance(items, list)
        items.append(value)
    return fields, list_names
