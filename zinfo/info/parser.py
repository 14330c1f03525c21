"""INFO text to typed fields and sections.

Pure: bytes in, plain values out; no I/O.

`parse` reads a whole reply. Single fields are found by `info_lookup`, what changed from one reply
to the next by `info_changes`. What a single value becomes is in `info_values`; the rules, and where
they leave redis-py's, are in docs/info.md.

Nothing here raises on any bytes: a line that is no field is counted in `Info.bad_lines`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple

from zinfo.info.bulk_numbers import read_pairs
from zinfo.info.values import (
    MAX_NAME_LIST_LENGTH,
    STATS,
    STATS_PREFIXES,
    Value,
    cache_entry,
    cached_line,
    intern_names,
    kind_of,
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
"""Fields that servers repeat, a line for each thing: a list even where there is only one."""

BLANK: Final = frozenset((b"\r", b""))
"""What is left of a blank line."""

MAX_LAYOUTS: Final = 64
"""Numbers of lines for which layouts are kept."""
MAX_ALIKE: Final = 8
"""Layouts kept that have the same number of lines."""

_STATS_RUN: Final = re.compile(b"%c+" % STATS)
_TITLE: Final = re.compile(r"[^\s:]+|[A-Z]\w*(?: [A-Z]\w*)+")  # of a section
_STATS: Final = tuple(prefix.encode() for prefix in STATS_PREFIXES)
_layouts: dict[int, tuple[Layout, ...]] = {}


class Layout(NamedTuple):
    """Which field is in which line of a reply.

    Attributes:
        names: For each line the name of its field; empty where the line is none, or not all of it.
        kinds: For each a byte: what kind of field that is, as `info_values.kind_of` says.
        stats: Where lines of statistics begin and end, which are read together.
    """

    names: tuple[str, ...]
    kinds: bytes
    stats: tuple[slice, ...]

    @classmethod
    def of(cls, names: tuple[str, ...]) -> Layout:
        """Make one of the names."""
        kinds = bytes(map(kind_of, names))
        stats = [slice(*found.span()) for found in re.finditer(_STATS_RUN, kinds)]
        return cls(names, kinds, tuple(stats))


class Info:
    """One INFO reply, read.

    Treat it as read-only: shards share what their replies have in common.

    Attributes:
        raw: The reply as it came.
        fields: Field name to value, in the reply's order.
        sections: Section name, as the server wrote it, to the names of its fields. Fields before
            any header are under the empty name.
        layout: Where in the reply they are.
        bad_lines: How many lines were neither a field nor a header nor a comment.
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
    """Read a whole INFO reply.

    Args:
        raw: The reply's bytes, lines ended by CRLF or LF.

    Returns:
        The fields, the sections that hold them, and the number of lines that made no sense.
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
                field = stats_name(line), 0  # until all of them are read together
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
        fields, several = _with_lists(lines)
        names = ["" if name in several else name for name in names]
        sections = {section: list(dict.fromkeys(names)) for section, names in sections.items()}
    if not sections.get("", True):
        del sections[""]
    shared = {section: intern_names(tuple(names)) for section, names in sections.items()}
    return Info(raw, fields, shared, _intern_layout(tuple(names)), bad_lines)


def layout_of(raw: bytes) -> Layout:
    """Return the layout of a reply, with luck that of another server's.

    Args:
        raw: The reply's bytes.

    Returns:
        The same as `parse(raw).layout`.
    """
    return cached_layout(raw) or parse(raw).layout


def cached_layout(raw: bytes) -> Layout | None:
    """Return the layout of a reply where it is that of another one; None where it is not known."""
    if native is not None:
        for known in _layouts.get(raw.count(b"\n") + 1, ()):
            if native.fits(raw, known.names, known.kinds):
                return known
    return None


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


def split_lines(raw: bytes) -> list[bytes]:
    """Split a reply into lines, with the CR that they may end with: most are not looked at closer.

    Args:
        raw: The reply's bytes.

    Returns:
        The lines; what follows the last LF is one more, often empty.
    """
    return raw.split(b"\n")


def _intern_layout(names: tuple[str, ...]) -> Layout:
    """Share one copy of a layout between shards."""
    alike = _layouts.get(len(names), ())
    for known in alike:
        if known.names == names:
            return known
    layout = Layout.of(names)
    if sum(map(len, names)) <= MAX_NAME_LIST_LENGTH:
        cache_entry(_layouts, len(names), (layout, *alike)[:MAX_ALIKE], MAX_LAYOUTS)
    return layout


def _section_name(header: bytes) -> str:
    """The name in a header; empty where the line is a comment (`# Time: 1970-01-01`)."""
    name = read_text(header).strip()
    return name if _TITLE.fullmatch(name) else ""


def _with_lists(lines: list[bytes]) -> tuple[dict[str, Value], set[str]]:
    """Read the fields once more and gather those that are repeated, or always lists.

    Returns:
        The fields; and the names of those that were gathered.
    """
    found = [field for field in map(read_line, lines) if field is not None]
    times = Counter(name for name, _ in found)
    several = {name for name in times if times[name] > 1 or name in ALWAYS_LISTS}
    fields: dict[str, Value] = {}
    for name, value in found:
        if name not in several:
            fields[name] = value
            continue
        gathered = fields.setdefault(name, [])
        assert isinstance(gathered, list)
        gathered.append(value)
    return fields, several
