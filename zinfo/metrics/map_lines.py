"""MapLines: the lines of a field whose value is a map with a metric for each part (`cmdstat_get`).

These are most lines of a scrape, so each list of parts is looked up once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from zinfo.info.values import Value, cache_entry
from zinfo.metrics.sample import Fields, number_of
from zinfo.metrics.samples import PERCENTILES, metric_of_part, totals
from zinfo.metrics.selection import label_text
from zinfo.metrics.shard_lines import ShardLines

NOT_FINITE: Final = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
"""How Prometheus writes the numbers that are not finite."""

_MAX_LISTS: Final = 8  # lists of parts that are cached for one field

Map: TypeAlias = "Mapping[str, Value]"


class _PartLine(NamedTuple):
    """The line for a part: `start`, the labels of the shard, `end`, and the number."""

    append: Callable[[str], None]
    start: str
    end: str
    divisor: float


class MapLines:
    """Writes the lines of one field.

    Args:
        lines: receives the lines.
        field: the name of the field.
    """

    __slots__ = ("_field", "_has_totals", "_known", "_lines")

    def __init__(self, lines: ShardLines, field: str) -> None:
        self._lines = lines
        self._field = field
        self._has_totals = field.startswith(PERCENTILES)
        self._known: dict[tuple[str, ...], tuple[_PartLine | None, ...] | None] = {}

    def write(self, fields: Fields, parts: Map, lead: str) -> None:
        """Write the lines of a shard.

        Args:
            fields: all fields of the INFO.
            parts: the value of the field.
            lead: the labels of the shard, with a comma if there are any.
        """
        if self._has_totals:
            parts = {**parts, **totals(fields, self._field)}
        names = tuple(parts)
        part_lines = self._known.get(names, ())
        if part_lines == ():
            part_lines = self._learn(names)
        if part_lines is None:
            parts = self._without_equals(parts)
            part_lines = self._lines_of(tuple(parts))
        for part_line, number in zip(part_lines, parts.values(), strict=True):
            if part_line is None:
                continue
            append, start, end, divisor = part_line
            if type(number) is int or type(number) is float:
                shown = number
                if divisor != 1:
                    if number < 0:  # a time: Dragonfly's avg_ttl is -1, as it does not compute it
                        continue
                    shown = number / divisor
                append(f"{start}{lead}{end}{shown}\n")
            elif (text := NOT_FINITE.get(str(number_of(number)))) is not None:
                append(f"{start}{lead}{end}{text}\n")

    def _learn(self, names: tuple[str, ...]) -> tuple[_PartLine | None, ...] | None:
        """Store the lines for a list of parts; None if some of these have equal labels."""
        part_lines = self._lines_of(names)
        ends = [one[1:3] for one in part_lines if one is not None]
        known = part_lines if len(ends) == len(set(ends)) else None
        cache_entry(self._known, names, known, _MAX_LISTS)
        return known

    def _lines_of(self, names: tuple[str, ...]) -> tuple[_PartLine | None, ...]:
        return tuple(map(self._line_of, names))

    def _line_of(self, part: str) -> _PartLine | None:
        found = metric_of_part(self._field, part)
        family_lines = found and self._lines.lines_of(found.family)
        if found is None or family_lines is None:
            return None
        start = f"{found.family.name}{found.suffix}{{"
        append = family_lines.with_suffix(found.suffix).append
        return _PartLine(append, start, label_text(found.labels) + "} ", found.divisor)

    def _without_equals(self, parts: Map) -> Map:
        """Return the first part with a number of those with equal labels (`p99=1,p99.0=1`)."""
        kept: dict[object, str] = {}
        for part, number in parts.items():
            found = metric_of_part(self._field, part)
            if found is not None and number_of(number) is not None:
                kept.setdefault(found[:2] + found[3:], part)
        return {part: parts[part] for part in kept.values()}
