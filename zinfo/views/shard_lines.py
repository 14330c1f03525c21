"""The lines of a shard's page, or of two shards side by side: what a terminal shows of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from zinfo.client.updates import Value
from zinfo.views.counters import COUNTERS, counter_items
from zinfo.views.formatting import value_text
from zinfo.views.peers import Peers
from zinfo.views.quantities import quantity, unit_of, value_of
from zinfo.views.rows import Row, Section
from zinfo.views.shard_page import (
    PARTS,
    MapLine,
    MapTable,
    Part,
    field_of,
    order_lines,
    shown_fields,
    table_lines,
)


class Title(NamedTuple):
    """The heading of a part, or of a section of INFO, and the number of its lines."""

    text: str
    lines: int


class ValueLine(NamedTuple):
    """A value of one shard or of each of two.

    Attributes:
        label: what it is, in a few words; the field's name where no part has it.
        name: of the field; of a value that is computed, that of the quantity.
        unit: of the values.
        values: of the shards; None where unknown.
        rate: growth per second, where it is the value of a counter of a single shard.
        changed: seconds since the value changed; None where it has not changed.
    """

    label: str
    name: str
    unit: str
    values: tuple[object, ...]
    rate: float | None = None
    changed: float | None = None

    @property
    def differs(self) -> bool:
        """Whether the shards have different values."""
        return any(value != self.values[0] for value in self.values[1:])


class TableHead(NamedTuple):
    """The headings of a table.

    Attributes:
        table: its definition.
        column: position of the column that lines are sorted by; -1 for the names.
        falling: whether the order is descending.
    """

    table: MapTable
    column: int
    falling: bool


class TableLine(NamedTuple):
    """A line of a table."""

    table: MapTable
    line: MapLine


class Link(NamedTuple):
    """A link to another shard.

    Attributes:
        word: "primary" or "replica".
        text: its id, or the address where no shard has it.
        shard: its id; "" where no shard has the address.
    """

    word: str
    text: str
    shard: str


Line: TypeAlias = "Title | ValueLine | TableHead | TableLine | Link"


class TableOrder(NamedTuple):
    """How lines of a table are sorted: by the column with this heading; "" for the names."""

    heading: str
    falling: bool


def whole_row(row: Row, sections: Sequence[Section]) -> Row:
    """Return a row with all fields of INFO and the rates of their counters.

    Args:
        row: the shard.
        sections: its whole INFO.
    """
    info: dict[str, Value] = {}
    rates: dict[str, float | None] = {}
    for section in sections:
        for field in section.fields:
            info[field.name] = field.value
            if field.name in COUNTERS:
                rates[field.name] = field.rate
            elif counters := counter_items(field.name):
                rates[f"{field.name}.{counters[0]}"] = field.rate
    return row._replace(info=info, rates=rates) if info else row


def links_of(row: Row, rows: Sequence[Row]) -> list[Link]:
    """Return the links to the primary and the replicas of a shard.

    Args:
        row: the shard, with its whole INFO.
        rows: all shards.
    """
    peers = Peers(rows)
    found: list[Link] = []
    if primary := peers.primary(row):
        found.append(Link("primary", primary, primary if primary in peers else ""))
    for one in peers.replicas(row.info):
        found.append(Link("replica", one.shard or one.address, one.shard))
    return found


def page_lines(
    rows: Sequence[Row],
    sections: Sequence[Section] = (),
    *,
    links: Sequence[Link] = (),
    search: str = "",
    orders: Mapping[str, TableOrder] | None = None,
) -> list[Line]:
    """Return the lines of a page, from top to bottom.

    Args:
        rows: the shard, or two, with their whole INFO.
        sections: the INFO of a single shard by section, with rates and changes.
        links: to other shards; shown with the replication.
        search: only lines that contain this text, in any case; "" for all.
        orders: how tables are sorted, by title of their part.
    """
    wanted = search.strip().casefold()
    fields = {field.name: field for section in sections for field in section.fields}
    lines: list[Line] = []
    for part in PARTS:
        found: list[Line] = [*_links(part, links, wanted)]
        for item in part.items:
            one = quantity(item.quantity)
            values = tuple(value_of(one)(row) for row in rows)
            if all(value is None or value == "" for value in values):
                continue
            ages = [fields[name].changed for name in one.fields if name in fields]
            changed = min((age for age in ages if age is not None), default=None)
            name = next(field_of(one.expression), one.name)
            rate = fields[name].rate if name in fields else None
            line = ValueLine(item.label, name, one.unit, values, rate, changed)
            found += [line] if _matches(line, wanted) else []
        if part.table is not None and len(rows) == 1:
            found += _table(part.title, part.table, rows[0], wanted, orders or {})
        lines += [Title(part.title, _count(found)), *found] if found else []
    others = _others(rows, sections, wanted)
    return [*lines, *others]


def _links(part: Part, links: Sequence[Link], wanted: str) -> Iterator[Link]:
    if part.peers:
        for link in links:
            if not wanted or wanted in f"{link.word} {link.text}".casefold():
                yield link


def _count(lines: Sequence[Line]) -> int:
    return sum(not isinstance(line, TableHead) for line in lines)


def _matches(line: ValueLine, wanted: str) -> bool:
    if not wanted:
        return True
    texts = (line.label, line.name, *map(value_text, line.values))
    return any(wanted in text.casefold() for text in texts)


def _table(
    title: str, table: MapTable, row: Row, wanted: str, orders: Mapping[str, TableOrder]
) -> list[Line]:
    order = orders.get(title) or TableOrder(table.sort, falling=bool(table.sort))
    headings = [column.heading for column in table.columns]
    column = headings.index(order.heading) if order.heading in headings else -1
    found = table_lines(table, row.info, row.rates if row.current else {})
    if wanted:
        found = [
            line
            for line in found
            if any(wanted in value_text(one).casefold() for one in (line.name, *line.values))
        ]
    if not found:
        return []
    ordered = order_lines(found, column, falling=order.falling)
    return [
        TableHead(table, column, order.falling),
        *(TableLine(table, line) for line in ordered),
    ]


def _others(rows: Sequence[Row], sections: Sequence[Section], wanted: str) -> list[Line]:
    """Return the fields that no part has, by section; of two shards, in the order of INFO."""
    used = frozenset().union(*(shown_fields(row.info) for row in rows))
    lines: list[Line] = []
    if len(rows) == 1:
        for section in sections:
            found: list[Line] = [
                line
                for field in section.fields
                if field.name not in used
                and _matches(line := ValueLine(
                    field.name, field.name, unit_of(field.name), (field.value,),
                    field.rate, field.changed,
                ), wanted)
            ]  # fmt: skip
            lines += [Title(section.name, len(found)), *found] if found else []
        return lines
    names = dict.fromkeys(name for row in rows for name in row.info if name not in used)
    made = [
        ValueLine(name, name, unit_of(name), tuple(row.info.get(name) for row in rows))
        for name in names
    ]
    shown = [line for line in made if _matches(line, wanted)]
    return [Title("Other fields", len(shown)), *shown] if shown else []
