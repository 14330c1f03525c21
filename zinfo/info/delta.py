"""Finds what changed from one INFO reply to the next; parses only what changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, repeat
from operator import ne, not_
from typing import NamedTuple

from zinfo.info.bulk_numbers import read_pairs, read_plain
from zinfo.info.lines import split_lines
from zinfo.info.parser import Info, Layout, parse
from zinfo.info.values import (
    MAX_NAMES,
    Value,
    cache_entry,
    cached_name,
    find_name,
    read_line,
    read_value,
)

_not_numbers: dict[str, None] = {}
"""Names of fields that had a value other than a number, at any server."""


class Delta(NamedTuple):
    """The difference between the fields of two INFO replies."""

    set: dict[str, Value]
    """Fields that are new or have another value or type."""
    unset: list[str]
    """Names of the fields that were removed."""


def find_delta(old: bytes, new: bytes, layout: Layout) -> tuple[Delta, Layout]:
    """Find what changed from one INFO reply to the next of the same server.

    It compares bytes: comparing parsed values costs more than parsing those that changed.

    Args:
        old: A reply.
        new: The next reply.
        layout: The layout of the old reply.

    Returns:
        The delta from the fields of `parse(old)` to those of `parse(new)`, and the layout of the
        new reply. A field whose text differs is in the delta even if its value is the same (`1.0`,
        then `1.00`).
    """
    changed = read_changes(old, new, layout)
    if changed is not None:
        return Delta(changed, []), layout
    info = parse(new)
    return _diff_lines(old, layout, info) or diff(parse(old).fields, info.fields), info.layout


def _diff_lines(old: bytes, layout: Layout, info: Info) -> Delta | None:
    """Compare line by line, without parsing the old reply.

    Args:
        old: The old reply.
        layout: The layout of the old reply.
        info: The new reply, parsed.

    Returns:
        The delta as in `find_delta`; None where a field has several lines in either reply.
    """
    before = _lines_by_name(old, layout)
    after = _lines_by_name(info.raw, info.layout)
    if before is None or after is None:
        return None
    changed = {name: info.fields[name] for name in after if before.get(name) != after[name]}
    return Delta(changed, [name for name in before if name not in after])


def _lines_by_name(raw: bytes, layout: Layout) -> dict[str, bytes] | None:
    lines = split_lines(raw)
    nameless = compress(lines, map(not_, layout.names))
    if any(line.find(b":") > 0 and not line.startswith(b"#") for line in nameless):
        return None
    named = dict(zip(layout.names, lines, strict=True))
    named.pop("", None)
    return named


def diff(old: Mapping[str, Value], new: Mapping[str, Value]) -> Delta:
    """Compare two maps of fields, types included: 1 and 1.0 differ.

    Args:
        old: The fields before.
        new: The fields now.

    Returns:
        What to set in `old`, and what to remove from it, to get `new`.
    """
    changed = {
        name: value
        for name, value in new.items()
        if (before := old.get(name)) is not value and (before is None or not _same(before, value))
    }
    return Delta(changed, [name for name in old if name not in new])


def read_changes(old: bytes, new: bytes, layout: Layout) -> dict[str, Value] | None:
    """Parse the lines that differ, if both replies have the same layout.

    Args:
        old: A reply.
        new: The next reply of the same server.
        layout: The layout of the old reply; where the result is not None, also of the new one.

    Returns:
        The fields whose text differs; None where lines were added, removed or moved, or where one
        line is not a field's whole value.
    """
    lines = split_lines(new)
    if len(lines) != len(layout.names):
        return None
    # `map(ne, ...)` runs no Python code for each line: most lines are the same.
    differs = list(map(ne, split_lines(old), lines))
    changed: dict[str, Value] = {}
    for place in layout.stats:
        names = list(compress(layout.names[place], differs[place]))
        stats = list(compress(lines[place], differs[place]))
        found = read_pairs(stats)
        if found is None:
            found = dict(filter(None, map(read_line, stats)))
        if list(found) != names:
            return None
        changed.update(found)
        differs[place] = repeat(False, len(lines[place]))
    names = list(compress(layout.names, differs))
    if "" in names:
        return None
    numbers: dict[str, bytes] = {}
    for name, line in zip(names, compress(lines, differs), strict=True):
        stem, _, text = line.partition(b":")
        known, reader = cached_name(stem) or find_name(stem)
        if known != name or len(stem) == len(line):
            return None
        if reader is read_value and name not in _not_numbers:
            numbers[name] = text.removesuffix(b"\r")
        else:
            changed[name] = reader(text.removesuffix(b"\r"))
    changed.update(_read_numbers(numbers))
    return changed


def _read_numbers(texts: dict[str, bytes]) -> Iterable[tuple[str, Value]]:
    """Parse values that are most likely numbers; remember the fields whose values are not."""
    values: Sequence[Value] | None = read_plain(texts.values())
    if values is None:
        values = list(map(read_value, texts.values()))
        for name, value in zip(texts, values, strict=True):
            if not isinstance(value, (int, float)):
                cache_entry(_not_numbers, name, None, MAX_NAMES)
    return zip(texts, values, strict=True)


def _same(one: Value, other: Value) -> bool:
    """Compare; 1, 1.0 and True differ, 0.0 and -0.0 differ, and so do maps in another order."""
    if one is other:
        return True
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(map(_same, one.values(), other.values()))
    if isinstance(one, list) and isinstance(other, list):
        return all(map(_same, one, other))
    return bool(one) or repr(one) == repr(other)
