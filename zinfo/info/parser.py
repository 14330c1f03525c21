"""Parses INFO text to typed fields and sections. Pure.

`parse` reads a whole reply. `field_reader.py` finds single fields, and `delta.py` what changed from
one reply to the next. `values.py` parses a single value; docs/reference/info.md has the rules, and
where they differ from those of redis-py.

No input raises an exception: lines that are not valid are counted in `Info.bad_lines`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from zinfo.info.bulk_numbers import read_pairs
from zinfo.info.kinds import STATS, STATS_PREFIXES, kind_of
from zinfo.info.lines import BLANK, count_bad_lines, section_title, split_lines
from zinfo.info.values import (
    MAX_NAME_LIST_LENGTH,
    Value,
    cache_entry,
    cached_line,
    intern_names,
    read_and_cache_line,
    read_line,
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
]

ALWAYS_LISTS: Final = frozenset(("module",))
"""Fields with a line for each item: their value is a list even if there is only one line."""

MAX_LAYOUTS: Final = 64
"""Numbers of lines for which layouts are cached."""
MAX_LAYOUTS_OF_A_LENGTH: Final = 8
"""Cached layouts with the same number of lines."""

_STATS_RUN: Final = re.compile(b"%c+" % STATS)
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
        repeated: Name of each field that has a list of the values of several lines, to the
            section of each of these lines.
    """

    __slots__ = ("fields", "layout", "raw", "repeated", "sections")

    def __init__(
        self,
        raw: bytes,
        fields: dict[str, Value],
        sections: dict[str, tuple[str, ...]],
        layout: Layout,
        repeated: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.raw = raw
        self.fields = fields
        self.sections = sections
        self.layout = layout
        self.repeated = repeated

    @property
    def bad_lines(self) -> int:
        """Number of lines that are neither a field nor a header, a comment or blank."""
        return count_bad_lines(self.raw)

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
        The fields and their sections.
    """
    lines = split_lines(raw)
    fields: dict[str, Value] = {}
    names: list[str] = []
    stats: list[bytes] = []
    sections: dict[str, list[str]] = {}
    repeated: dict[str, list[str]] = {}
    section, start = "", 0
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
            title = section_title(line)
            if title:
                sections.setdefault(section, []).extend(filter(None, names[start:]))
                section, start = title, len(names)
        names.append("")
    sections.setdefault(section, []).extend(filter(None, names[start:]))
    fields.update(read_pairs(stats) or filter(None, map(read_line, stats)))
    if len(fields) < sum(map(len, sections.values())) or not fields.keys().isdisjoint(ALWAYS_LISTS):
        fields, repeated = _with_lists(lines)
        names = ["" if name in repeated else name for name in names]
        sections = {section: list(dict.fromkeys(names)) for section, names in sections.items()}
    if not sections.get("", True):
        del sections[""]
    shared = {section: intern_names(tuple(names)) for section, names in sections.items()}
    return Info(raw, fields, shared, _intern_layout(tuple(names)), repeated)


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


def _with_lists(lines: list[bytes]) -> tuple[dict[str, Value], dict[str, list[str]]]:
    """Parse the lines again, with lists for fields that are repeated or always lists.

    Returns:
        The fields; and for those that are lists, the section of each item.
    """
    found: list[tuple[str, Value, str]] = []
    section = ""
    for line in lines:
        field = read_line(line)
        if field is not None:
            found.append((*field, section))
        elif line[:1] == b"#":
            section = section_title(line) or section
    times = Counter(name for name, _, _ in found)
    fields: dict[str, Value] = {}
    repeated: dict[str, list[str]] = {}
    for name, value, section in found:
        if times[name] == 1 and name not in ALWAYS_LISTS:
            fields[name] = value
            continue
        items = fields.setdefault(name, [])
        assert isinstance(items, list)
        items.append(value)
        repeated.setdefault(name, []).append(section)
    return fields, repeated
