"""What changed from one INFO reply to the next, read at the cost of what changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, repeat
from operator import ne, not_
from typing import NamedTuple

from zinfo.info.bulk_numbers import read_pairs, read_plain
from zinfo.info.parser import Info, Layout, parse, split_lines
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
"""Names of fields that had another value than a number, here or at another server."""


class Delta(NamedTuple):
    """What turns the fields of one INFO into those of the next."""

    set: dict[str, Value]
    """Fields that are new or have another value (or type)."""
    unset: list[str]
    """Fields that are gone."""


def find_delta(old: bytes, new: bytes, layout: Layout) -> tuple[Delta, Layout]:
    """Find what changed from one INFO reply to the next of the same server.

    From bytes to bytes: to look at values that were read before costs more than to read those that
    changed.

    Args:
        old: A reply.
        new: The next one.
        layout: Of the old one.

    Returns:
        What makes the fields of `parse(new)` of those of `parse(old)`. A field whose text is
        another is in it, also where it says the same (`1.0`, then `1.00`). And the new layout.
    """
    changed = read_changes(old, new, layout)
    if changed is not None:
        return Delta(changed, []), layout
    info = parse(new)
    return _diff_lines(old, layout, info) or diff(parse(old).fields, info.fields), info.layout


def _diff_lines(old: bytes, layout: Layout, info: Info) -> Delta | None:
    """Compare line by line, which needs no parse of the old reply.

    Args:
        old: The old reply.
        layout: Of the old one.
        info: The new reply.

    Returns:
        As `find_delta`; None where a field has more than one line, before or now.
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
        What to set in `old`, and what to drop from it, to get `new`.
    """
    changed = {
        name: value
        for name, value in new.items()
        if (before := old.get(name)) is not value and (before is None or not _same(before, value))
    }
    return Delta(changed, [name for name in old if name not in new])


def read_changes(old: bytes, new: bytes, layout: Layout) -> dict[str, Value] | None:
    """Read the lines that differ, where every line is still in its place.

    Args:
        old: A reply.
        new: The next one of the same server.
        layout: Of the old one; in the end it is that of the new one, too.

    Returns:
        The fields whose text is another; None where lines came, went or moved, or where one line
        does not tell a field's whole value.
    """
    lines = split_lines(new)
    if len(lines) != len(layout.names):
        return None
    # What differs is found without a step of Python's a line: most lines are the same.
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
    """Read values that are numbers, most likely; those that are not are no more expected to be."""
    values: Sequence[Value] | None = read_plain(texts.values())
    if values is None:
        values = list(map(read_value, texts.values()))
        for name, value in zip(texts, values, strict=True):
            if not isinstance(value, (int, float)):
                cache_entry(_not_numbers, name, None, MAX_NAMES)
    return zip(texts, values, strict=True)


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
