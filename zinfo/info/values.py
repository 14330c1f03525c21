"""Parses one line of INFO to the field's name and its value: a number, text, a list or a map. Pure.

INFO is untyped: `redis_version:7.4` is text and `used_cpu_sys:7.4` is a number. A value becomes a
number if it is written as C prints one and its field is not known to be text; a number is never
converted if its text could not be restored. Pairs (`keys=1,expires=0`) become maps.

Names and whole lines are cached for later replies of any shard. The caches are bounded and are
cleared when full: a server with ever new names costs the others a little time, but no memory.

`bulk_numbers.py` parses many numbers in one call.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from zinfo.info.kinds import (
    INVENTED_PREFIX,
    KEYSPACE,
    NO_FIELD,
    STATS,
    TEXT,
    UNIQUE_TEXT,
    VALUE,
    is_text_part,
    kind_of,
)
from zinfo.info.structure import split_list, split_map
from zinfo.info.text import MAX_KEY_LENGTH, read_text

Value: TypeAlias = "int | float | str | list[Value] | dict[str, Value]"
Reader: TypeAlias = "Callable[[bytes], Value]"
Key = TypeVar("Key")
Cached = TypeVar("Cached")

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1
"""Range of the integers of msgpack; integers outside stay text."""
MAX_DIGITS: Final = len(str(INT_MAX))
"""Digits of the largest integer; an integer with fewer digits always fits."""

_INTEGER: Final = re.compile(r"[ \t]*(-?(?:0|[1-9][0-9]*))[ \t]*")
# C's %g drops the point of `1e+06` and keeps that of `1.5e+06`. It always writes the sign; `7e12`
# may be an id.
_FRACTION: Final = re.compile(
    r"[ \t]*-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-][0-9]+)[ \t]*"
)
_HASH: Final = ord("#")
_ZERO: Final = ord("0")
_INVENTED: Final = INVENTED_PREFIX.encode()
_NOT_FINITE: Final = (float("inf"), float("-inf"))

MAX_NAMES: Final = 8192
"""Cached names. A server has 200 to 400, most of which all servers have."""
MAX_NAME_LISTS: Final = 1024
"""Cached lists of the names in a section: a few for each version and use of a server."""
MAX_LINES: Final = 8192
"""Cached lines with their field and value: 2 MB when full."""
MAX_NAME_LIST_LENGTH: Final = 16384
"""Longest list of names that is cached, in characters of all names."""
MAX_CACHED_NUMBER: Final = 5
"""Longest number that is cached, in characters; longer numbers rarely repeat."""
MAX_CACHED_TEXT: Final = 64
"""Longest text that is cached, in characters."""

MAX_CACHED_PARTS: Final = 64
"""Most pairs of a map whose names are cached; servers' own maps have at most twenty."""

_names: dict[bytes, tuple[str, Reader]] = {}
_name_lists: dict[tuple[str, ...], tuple[str, ...]] = {}
_lines: dict[bytes, tuple[str, Value]] = {}
_parts: dict[str, str] = {}

cached_name: Final = _names.get
"""A field's name as bytes -> the name and its reader; None where it is not cached."""
cached_line: Final = _lines.get
"""A line -> its field's name and value; None where it is not cached."""


def find_name(raw: bytes) -> tuple[str, Reader]:
    """Decode a field's name, find its reader, and cache both.

    Args:
        raw: The name as the server wrote it.

    Returns:
        The name, and the function that parses the field's value.
    """
    # Not interned: CPython 3.12 never frees an interned string, and a server may send any name.
    name = read_text(raw)
    field = name, reader_of(name)
    if len(raw) <= MAX_KEY_LENGTH and not name.startswith(INVENTED_PREFIX):
        cache_entry(_names, raw, field, MAX_NAMES)
    return field


def reader_of(name: str) -> Reader:
    """Return the function that parses the value of a field, given without CR."""
    return _READERS[kind_of(name)]


def read_and_cache_line(line: bytes) -> tuple[str, Value] | None:
    """Parse a line, and cache the result if the line is likely to repeat.

    Args:
        line: A line of INFO, with or without CR.

    Returns:
        The same as `read_line`.
    """
    field = read_line(line)
    if field is not None:
        name, value = field
        kind = type(value)
        if kind is not dict and kind is not list and name not in UNIQUE_TEXT:
            limit = MAX_CACHED_TEXT if kind is str else MAX_CACHED_NUMBER
            if len(line) - len(name) - len(":\r") <= limit:
                cache_entry(_lines, line, field, MAX_LINES)
    return field


def read_line(line: bytes) -> tuple[str, Value] | None:
    """Parse a line.

    Args:
        line: A line of INFO, with or without CR.

    Returns:
        The field's name and value; None where the line is a header, a comment or blank, or has no
        name or no colon.
    """
    line = line.removesuffix(b"\r")
    raw, colon, text = line.partition(b":")
    if not colon or not raw or raw[0] == _HASH:
        return None
    name, reader = cached_name(raw) or find_name(raw)
    if reader is read_stats and b":" in text:
        name, text = stats_name(line), line.rpartition(b":")[2]
    return name, reader(text)


def stats_name(line: bytes) -> str:
    """Return the name in a line that starts with one of `STATS_PREFIXES` and has a colon."""
    raw = line.rpartition(b":")[0]
    if raw.startswith(_INVENTED):
        return read_text(raw)
    return (cached_name(raw) or find_name(raw))[0]


def read_value(raw: bytes) -> Value:
    """Parse a value of unknown kind to a number, a map or a list, or return its text.

    It stays text if a number would lose leading zeros, a sign or underscores, if an integer is out
    of msgpack's range, and if it is `nan` or `inf`, which JSON does not have.
    """
    if raw.isdigit() and len(raw) < MAX_DIGITS:
        return int(raw) if raw[0] != _ZERO or raw == b"0" else raw.decode()
    text = read_text(raw)
    if b"=" not in raw:
        return _read_plain(text)
    pairs = split_map(text)
    if pairs is None:
        return text
    return _make_map([(name, _read_part(name, value)) for name, value in pairs])


def read_stats(raw: bytes) -> Value:
    """Parse pairs of a name and a number (`calls=1,usec=2`); text without a pair is one value."""
    text = read_text(raw)
    if "=" not in text:
        return _read_plain(text)
    return _make_map(list(map(_read_statistic, filter(None, text.split(",")))))


def read_keyspace(raw: bytes) -> Value:
    """Parse the value of a database (`keys=1,expires=0`), as `read_stats` does."""
    return read_stats(raw)


def intern_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the shared copy of a section's field names."""
    shared = _name_lists.get(names)
    if shared is not None:
        return shared
    invented = bool(names) and names[-1].startswith(INVENTED_PREFIX)
    if not invented and sum(map(len, names)) <= MAX_NAME_LIST_LENGTH:
        cache_entry(_name_lists, names, names, MAX_NAME_LISTS)
    return names


def cache_entry(table: dict[Key, Cached], key: Key, value: Cached, limit: int) -> None:
    """Add an entry to a bounded cache, which is cleared first if it is full."""
    if isinstance(key, (str, bytes)) and len(key) > MAX_KEY_LENGTH:
        return
    if len(table) >= limit:
        table.clear()
    table[key] = value


def _read_plain(text: str) -> Value:
    """Parse a value without `=`."""
    if text.isdigit() and len(text) < MAX_DIGITS and text.isascii():
        return int(text) if text[0] != "0" or text == "0" else text
    if "," not in text:
        return _read_odd_number(text)
    items = split_list(text)
    return text if items is None else list(map(_read_odd_number, items))


def _read_odd_number(text: str) -> int | float | str:
    """Parse a number that is not only digits, or return the text."""
    if "." in text or "e" in text or "E" in text:
        if not _FRACTION.fullmatch(text):
            return text
        number = float(text)
        return text if number in _NOT_FINITE else number
    match = _INTEGER.fullmatch(text)
    if match is None or len(match[1]) > MAX_DIGITS:
        return text
    whole = int(match[1])
    if whole == 0 and match[1] != "0":
        return -0.0  # C's %g writes no point
    return whole if INT_MIN <= whole <= INT_MAX else text


def _make_map(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    """Return a map; a name that is repeated (`bind=*,bind=-::*`) has a list."""
    fields: dict[str, Value] = {}
    repeated: dict[str, list[Value]] = {}
    known = _parts if len(pairs) <= MAX_CACHED_PARTS else {}
    for name, value in pairs:
        if name in repeated:
            repeated[name].append(value)
        elif name in fields:
            fields[name] = repeated[name] = [fields[name], value]
        else:
            fields[_shared_part(name, known)] = value
    return fields


def _read_part(name: str, text: str | None) -> Value:
    """Parse the value of a pair; that of a name that stands alone is True."""
    if text is None:
        return True
    return text if is_text_part(name) else _read_plain(text)


def _read_statistic(item: str) -> tuple[str, Value]:
    name, equals, text = item.lstrip(" \t").rpartition("=")
    return (name, _read_plain(text)) if equals else (text, True)


def _shared_part(name: str, known: dict[str, str]) -> str:
    """Return the shared copy of a name in a map."""
    shared = known.get(name)
    if shared is None:
        shared = name
        cache_entry(known, name, name, MAX_NAMES)
    return shared


_READERS: Final[dict[int, Reader]] = {
    NO_FIELD: read_value,
    VALUE: read_value,
    STATS: read_stats,
    TEXT: read_text,
    KEYSPACE: read_keyspace,
}
