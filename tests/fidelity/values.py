"""The value that the text of a field has, by the rules of docs/reference/info.md: one by one."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Value: TypeAlias = "int | float | str | bool | list[Value] | dict[str, Value]"

TEXT_WORDS: Final = re.compile(
    r"(?i)version|(repl|run|uu|gu)?id[0-9]*|serial|fingerprint|digest|checksum|md5|sha[0-9]*"
    r"|host|hostname|ip|name|subject|issuer"
)
"""Last words of names whose value is text: versions, ids, hashes, names, addresses."""

TWO_TEXT_WORDS: Final = re.compile(r"(?i)(git|build|commit|source)_(hash|commit|rev|revision)")

QUANTITIES: Final = ("num_", "number_", "count_", "total_", "max_", "min_", "process_", "thread_")
"""First words of names whose value is a number, whatever their last word."""

TEXT_NAMES: Final = (
    "availability_zone",
    "executable",
    "config_file",
    "os",
    "monotonic_clock",
    "mem_allocator",
    "pika_build_compile_date",
    "db_fatal_msg",
)
"""More fields whose value is text: paths, descriptions."""

TEXT_PARTS: Final = ("address", "bind", "path", "state", "status")
"""More parts of maps whose value is text."""

DATABASE: Final = re.compile(r"db[0-9]+")

_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]*")
_FRACTION: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+([eE][+-]?[0-9]+)?|[eE][+-][0-9]+)|-0")


def value_of(name: str, text: str, *, in_map: bool) -> Value:
    """Return the value of a field.

    Args:
        name: Its name.
        text: What its line has after the colon.
        in_map: Whether the field is of statistics, whose values are all numbers.
    """
    if in_map or DATABASE.fullmatch(name):
        return _map(text, numbers_only=True) if "=" in text else _list_or_plain(text)
    if name in TEXT_NAMES or has_text_name(name):
        return text
    if "=" in text:
        return _map(text, numbers_only=False) if _is_map(text) else text
    return _list_or_plain(text)


def has_text_name(name: str) -> bool:
    """Return whether a name says that the value is text."""
    if name.startswith(QUANTITIES):
        return False
    words = re.split(r"[_.-]|(?<=[a-z])(?=[A-Z])", name)
    return bool(TEXT_WORDS.fullmatch(words[-1]) or TWO_TEXT_WORDS.fullmatch("_".join(words[-2:])))


def _map(text: str, *, numbers_only: bool) -> dict[str, Value]:
    found: dict[str, list[Value]] = {}
    for pair in filter(None, text.split(",")):
        name, equals, value = pair.rpartition("=")
        name = (name if equals else pair).lstrip(" \t")
        if not equals:
            found.setdefault(name, []).append(True)
        elif not numbers_only and (name in TEXT_PARTS or has_text_name(name)):
            found.setdefault(name, []).append(value)
        else:
            found.setdefault(name, []).append(_list_or_plain(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _is_map(text: str) -> bool:
    """Return whether a text with `=` is pairs that a server writes for programs, not prose."""
    parts = text.strip(" \t").split(",")
    if any(part[:1] in (" ", "\t") for part in parts):
        pairs = [re.fullmatch(r"[ \t]*[a-z_][a-z0-9_]*=(.*)", part, re.DOTALL) for part in parts]
        return all(pair is not None and _is_number(pair[1]) for pair in pairs)
    first, *others = parts
    is_only = not any(others)
    return _is_part(first, is_first=True, is_only=is_only) and all(
        _is_part(part, is_first=False, is_only=False) for part in filter(None, others)
    )


def _is_part(part: str, *, is_first: bool, is_only: bool) -> bool:
    name, equals, value = part.rpartition("=")
    if not equals:
        return not is_first and re.fullmatch(r"[\w-]+", part) is not None
    name = re.sub("^[<>]=?", "", name)
    if not name or re.search(r"[\s/\\\"';=]", name) or re.match("-(?![0-9])", name):
        return False
    return bool(value) or not is_only


def _list_or_plain(text: str) -> Value:
    if "," not in text:
        return _plain(text)
    items = text.split(",")
    if all(map(_is_number, items)):
        return [_plain(item) for item in items]
    for item in items:
        if item != "N/A" and re.search(r"[\s/\\\"'{}]", item):
            return text
        if item.count("[") != item.count("]"):
            return text
    return [_plain(item) for item in items]


def _is_number(text: str) -> bool:
    return not isinstance(_plain(text), str)


def _plain(text: str) -> Value:
    written = text.strip(" \t")
    if _FRACTION.fullmatch(written):
        number = float(written)
        return number if abs(number) != float("inf") else text
    if _WHOLE.fullmatch(written) and -(2**63) <= int(written) < 2**64:
        return int(written)
    return text
