"""Reads INFO text a second time, in the plainest way, to check what zinfo reads.

Nothing is imported from zinfo: a fault that both had would stay hidden. The rules are those of
docs/reference/info.md.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from tests.fidelity.values import Value, value_of

Fields: TypeAlias = "dict[str, Value]"

STATISTICS: Final = ("cmdstat_", "errorstat_", "latency_percentiles_usec_")
"""Fields whose name ends at the last colon."""

ALWAYS_LISTS: Final = ("module",)
"""Fields that are a list even if there is one line of them."""


class Line(NamedTuple):
    """One line with a field; `row` is the whole line, without its LF."""

    section: str
    name: str
    text: str
    row: bytes


@dataclass
class Reading:
    """What an INFO text says; read-only, as equal texts share one.

    Attributes:
        lines: The lines with a field, in order.
        titles: The titles of all sections, also of those without a field.
        bad: The lines that are neither field nor header nor comment, after their section.
    """

    lines: list[Line]
    titles: list[str]
    bad: list[tuple[str, str]]

    def texts(self, section: str | None = None) -> dict[str, list[str]]:
        """Return each field's texts, one for each of its lines.

        Args:
            section: Only the fields of these sections; None for all.
        """
        found: dict[str, list[str]] = {}
        for line in self.lines:
            if section is None or _matches(line.section, section):
                found.setdefault(line.name, []).append(line.text)
        return found

    def rows(self) -> dict[str, list[bytes]]:
        """Return each field's lines."""
        found: dict[str, list[bytes]] = {}
        for line in self.lines:
            found.setdefault(line.name, []).append(line.row)
        return found

    def fields(self, section: str | None = None) -> Fields:
        """Return each field's value.

        Args:
            section: Only the fields of these sections, with their values there; None for all.
        """
        return self._all_fields if section is None else _fields_of(self.texts(section))

    @functools.cached_property
    def _all_fields(self) -> Fields:
        return _fields_of(self.texts())


def _fields_of(found: dict[str, list[str]]) -> Fields:
    fields: Fields = {}
    for name, texts in found.items():
        values = [value_of(name, text, in_map=name.startswith(STATISTICS)) for text in texts]
        fields[name] = values if len(values) > 1 or name in ALWAYS_LISTS else values[0]
    return fields


@functools.lru_cache(maxsize=1024)
def read(raw: bytes) -> Reading:
    """Read a text."""
    reading, section = Reading([], [], []), ""
    for row in raw.split(b"\n"):
        text = row.removesuffix(b"\r").decode("utf-8", "backslashreplace")
        if text.startswith("#"):
            if title := _title_of(text[1:].strip()):
                section = title
                reading.titles.append(title)
            continue
        name, colon, value = (
            text.rpartition(":") if text.startswith(STATISTICS) else text.partition(":")
        )
        if colon and name:
            reading.lines.append(Line(section, name, value, row))
        elif text.strip(" \t\r\v\f"):
            reading.bad.append((section, text))
    return reading


def _title_of(header: str) -> str:
    """Return the title that a header has; empty for a comment."""
    if ":" in header or '"' in header:
        return ""
    first, *others = header.split(" ")
    if others and not (first[:1].isupper() and not any(word[:1].islower() for word in others)):
        return ""
    return header


def _matches(section: str, wanted: str) -> bool:
    """Return whether a section is a wanted one: `Replication` is also `Replication(MASTER)`."""
    return wanted.lower() in (section.lower(), section.lower().partition("(")[0])
