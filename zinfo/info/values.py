"""One line of INFO: its field's name, and its value as number, text, list or map.

INFO is untyped: `redis_version:7.4` is a name and `used_cpu_sys:7.4` is a number. A value
becomes a number where it is written the way C prints one and its name is not known to be text;
nothing is converted that could not be written back. Pairs (`keys=1,expires=0`) become maps.

Some tables hold what one parse can use again in the next, of the same shard or of another:
names and whole lines. They are bounded, and emptied when full: a server that invents names
without end costs the others a little time, never memory.

Many numbers at once are read by `info_numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

Value: TypeAlias = "int | float | str | list[Value] | dict[str, Value]"
Reader: TypeAlias = "Callable[[bytes], Value]"
Key = TypeVar("Key")
Kept = TypeVar("Kept")

TEXT_FIELDS: Final = frozenset(
    (
        # Hexadecimal ids: all digits by accident, or `7e12`, now and then.
        "redis_git_sha1",
        "redis_build_id",
        "valkey_git_sha1",
        "valkey_build_id",
        "git_sha1",
        "pika_git_sha",
        "run_id",
        "master_replid",
        "master_replid2",
        "replication_id",
        # Names and addresses that people choose; a host may be called `10`, or `a,b=c`.
        "master_host",
        "server_name",
        "availability_zone",
        # Paths hold `=` and `,`.
        "executable",
        "config_file",
        "db_fatal_msg",
        # Prose about what the server was made of and runs on.
        "os",
        "monotonic_clock",
        "mem_allocator",
        "pika_build_compile_date",
    )
)
"""Fields whose value is text whatever it looks like."""

TEXT_FIELD_PATTERN: Final = re.compile(
    r".*_version"  # `redis_version:7.4` is not a number, and 7.10 is newer than 7.4
    r"|master_[0-9]+_host"  # KeyDB has several masters
)
"""Like TEXT_FIELDS, for names that are made by a rule."""
_TEXT_SUFFIXES: Final = ("_version", "_host")

UNIQUE_TEXT: Final = frozenset(("run_id", "master_replid", "master_replid2", "replication_id"))
"""Text that no two shards share: keeping it for the next parse would only cost memory."""

TEXT_PARTS: Final = frozenset(
    ("ip", "address", "host", "bind", "path", "name", "state", "status", "version")
)
"""Names inside a map (`slave0`, `master0`, `listener0`, `module`) whose value stays text.

Not so where the whole field is about numbers, as statistics and the keyspace are."""

STATS_PREFIXES: Final = ("cmdstat_", "errorstat_", "latency_percentiles_usec_")
"""Fields whose name may hold any character, `:` too, and whose value never holds a `:`."""

KEYSPACE_PATTERN: Final = re.compile("db[0-9]+")
"""Fields whose value is pairs of numbers, as in those of STATS_PREFIXES."""

INVENTED_PREFIX: Final = "errorstat_"
"""Scripts invent error names, so these are not kept for the next parse."""
_INVENTED: Final = INVENTED_PREFIX.encode()

NO_FIELD, VALUE, STATS, TEXT, KEYSPACE = range(5)
"""Kinds of fields, also in `native/text.h`."""

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1
"""The integers that msgpack can carry; anything beyond stays text."""
MAX_DIGITS: Final = len(str(INT_MAX))
"""Digits of the largest integer; fewer always fit."""

_INTEGER: Final = re.compile(r"[ \t]*(0|-?[1-9][0-9]*)[ \t]*")
_FRACTION: Final = re.compile(r"[ \t]*-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][+-]?[0-9]+)?[ \t]*")
_BACKSLASH: Final = "\ud800"  # stands for a backslash of the server's: no bytes are read as it
_BACKSLASH_ESCAPED: Final = rb"\ud800"
_HASH: Final = ord("#")
_ZERO: Final = ord("0")
_NO_PARTS: Final = frozenset[str]()
_NOT_FINITE: Final = (float("inf"), float("-inf"))

MAX_NAMES: Final = 8192
"""Names kept. A server has 200 to 400, of which most are every server's."""
MAX_NAME_LISTS: Final = 1024
"""Sections' rows of names kept: a few for each version and use of a server."""
MAX_LINES: Final = 8192
"""Lines kept with what they mean: 2 MB when full."""
MAX_NAME_LIST_LENGTH: Final = 16384
"""Longest row of names kept, in characters of all its names."""
MAX_KEY_LENGTH: Final = 128
"""Longest name or line kept, in characters."""
MAX_CACHED_NUMBER: Final = 5
"""Longest number kept, in characters; longer ones seldom come twice."""
MAX_CACHED_TEXT: Final = 64
"""Longest text kept, in characters."""

MAX_CACHED_PARTS: Final = 64
"""Parts of a map up to which their names are kept; servers' own maps have twenty at most."""

_names: dict[bytes, tuple[str, Reader]] = {}
_name_lists: dict[tuple[str, ...], tuple[str, ...]] = {}
_lines: dict[bytes, tuple[str, Value]] = {}
_parts: dict[str, str] = {}

cached_name: Final = _names.get
"""A field's name as it came -> the one copy of it and its reader, or None: ask `find_name`."""
cached_line: Final = _lines.get
"""A line as it came -> its field's name and value, or None: ask `read_and_cache_line`."""


def find_name(raw: bytes) -> tuple[str, Reader]:
    """Find the reader for a field's name, and keep both for the next parse.

    Args:
        raw: The name as the server wrote it.

    Returns:
        The name and the function that makes a value of its text.
    """
    # Not interned: CPython 3.12 would keep it for ever, and a server may send any name.
    name = read_text(raw)
    field = name, reader_of(name)
    if len(raw) <= MAX_KEY_LENGTH and not name.startswith(INVENTED_PREFIX):
        cache_entry(_names, raw, field, MAX_NAMES)
    return field


def kind_of(name: str) -> int:
    """Return what kind of field a name has; `NO_FIELD` where it is empty."""
    if not name:
        return NO_FIELD
    return _KINDS[reader_of(name)]


def reader_of(name: str) -> Reader:
    """Return what reads the value of a field, without its CR."""
    # Suffix and beginning are looked at first: they cost a third of an expression.
    if name.startswith(STATS_PREFIXES):
        return read_stats
    if name in TEXT_FIELDS:
        return read_text
    if name.endswith(_TEXT_SUFFIXES) and TEXT_FIELD_PATTERN.fullmatch(name):
        return read_text
    if name.startswith("db") and KEYSPACE_PATTERN.fullmatch(name):
        return read_keyspace
    return read_value


def read_and_cache_line(line: bytes) -> tuple[str, Value] | None:
    """Read a line, and keep it for the next parse where it may well come again.

    Args:
        line: A line of INFO, with or without its CR.

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
    """Read a line.

    Args:
        line: A line of INFO, with or without its CR.

    Returns:
        The field's name and value; None where the line is no field but a header, a comment,
        blank, or without a name or a colon.
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
    """Return the name in a line that begins with one of `STATS_PREFIXES` and has a colon."""
    raw = line.rpartition(b":")[0]
    if raw.startswith(_INVENTED):
        return read_text(raw)
    return (cached_name(raw) or find_name(raw))[0]


def read_text(raw: bytes) -> str:
    """Read text; bytes that are no UTF-8 are escaped, as `backslashreplace` does it."""
    if len(raw) <= MAX_KEY_LENGTH:
        return raw.decode("utf-8", "backslashreplace")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _escape(raw)


def _escape(raw: bytes) -> str:
    """Read bytes that are no UTF-8, as the handler `backslashreplace` does.

    That is called for each byte by itself and takes 0.2 s for a million of them. Where text is
    written, the handler of this name is native: five times as quick.
    """
    text = raw.decode("utf-8", "surrogateescape").replace("\\", _BACKSLASH)
    escaped = text.encode("utf-8", "backslashreplace")
    return escaped.replace(rb"\udc", rb"\x").replace(_BACKSLASH_ESCAPED, b"\\").decode()


def read_value(raw: bytes) -> Value:
    """Read a value of unknown kind: a number, a map, a list, or else the text as it is.

    Text stays: leading zeros, signs and underscores that a number would lose; integers that
    msgpack cannot carry; `nan` and `inf`, which equal nothing or have no JSON.
    """
    if raw.isdigit() and len(raw) < MAX_DIGITS:
        return int(raw) if raw[0] != _ZERO or raw == b"0" else raw.decode()
    if b"=" in raw:
        return _read_map(read_text(raw), TEXT_PARTS)
    return _read_plain(read_text(raw))


def read_stats(raw: bytes) -> Value:
    """Read pairs of a name and a number (`calls=1,usec=2`); text without any pair is a value."""
    text = read_text(raw)
    return _read_map(text, _NO_PARTS) if "=" in text else _read_plain(text)


def read_keyspace(raw: bytes) -> Value:
    """Read what a database has (`keys=1,expires=0`), as `read_stats` does."""
    return read_stats(raw)


def intern_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Share one copy of a section's field names between shards."""
    kept = _name_lists.get(names)
    if kept is not None:
        return kept
    unbounded = bool(names) and names[-1].startswith(INVENTED_PREFIX)
    if not unbounded and sum(map(len, names)) <= MAX_NAME_LIST_LENGTH:
        cache_entry(_name_lists, names, names, MAX_NAME_LISTS)
    return names


def cache_entry(table: dict[Key, Kept], key: Key, value: Kept, limit: int) -> None:
    """Add to one of the bounded tables, which is emptied first if it is full."""
    if isinstance(key, (str, bytes)) and len(key) > MAX_KEY_LENGTH:
        return
    if len(table) >= limit:
        table.clear()
    table[key] = value


def _read_plain(text: str) -> Value:
    """Read a value without `=`."""
    if text.isdigit() and len(text) < MAX_DIGITS and text.isascii():
        return int(text) if text[0] != "0" or text == "0" else text
    if "," in text:
        return [_read_plain(item) for item in text.split(",")]
    return _read_odd_number(text)


def _read_odd_number(text: str) -> int | float | str:
    """Read a number that is no plain row of digits, or leave the text as it is."""
    if "." in text:
        if not _FRACTION.fullmatch(text):
            return text
        number = float(text)
        return text if number in _NOT_FINITE else number
    match = _INTEGER.fullmatch(text)
    if match is None or len(match[1]) > MAX_DIGITS:
        return text
    whole = int(match[1])
    return whole if INT_MIN <= whole <= INT_MAX else text


def _read_map(text: str, text_parts: frozenset[str]) -> dict[str, Value]:
    """Read pairs, of which some may be empty, or repeat a name (`bind=*,bind=-::*`)."""
    fields: dict[str, Value] = {}
    repeated: dict[str, list[Value]] = {}
    items = text.split(",")
    known = _parts if len(items) <= MAX_CACHED_PARTS else {}
    for item in filter(None, items):
        name, value = _read_pair(item, text_parts, known)
        if name in repeated:
            repeated[name].append(value)
        elif name in fields:
            fields[name] = repeated[name] = [fields[name], value]
        else:
            fields[name] = value
    return fields


def _read_pair(item: str, text_parts: frozenset[str], known: dict[str, str]) -> tuple[str, Value]:
    """Read `name=value`."""
    part, equals, text = item.rpartition("=")
    if not equals:
        return item, True  # a flag that is set
    name = known.get(part)
    if name is None:
        name = part
        cache_entry(known, part, part, MAX_NAMES)
    return name, text if name in text_parts else _read_plain(text)


_KINDS: Final[dict[Reader, int]] = {
    read_value: VALUE,
    read_stats: STATS,
    read_text: TEXT,
    read_keyspace: KEYSPACE,
}
