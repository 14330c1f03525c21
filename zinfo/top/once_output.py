"""A listing of `zinfo top --once` as aligned text, CSV or JSON. Pure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from zinfo.top.once import Listing, Query
from zinfo.views.formatting import NOTHING, role_text, safe, short_text, value_text
from zinfo.views.problems import Problem
from zinfo.views.quantities import Quantity, value_of
from zinfo.views.rows import Row
from zinfo.views.totals import Totals, total_of
from zinfo.views.units import SECONDS

GAP = "  "
"""Between two columns of text."""

MIN_ID = 12
"""Characters of the id that stay on a terminal, however narrow it is."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how text starts that spreadsheets would calculate


def exact(one: Quantity, row: Row) -> object:
    """Return the exact value of a quantity, as JSON has it; None where it is unknown.

    The state is without the reason, which is a quantity of its own.
    """
    if one.name == "state":
        return row.shown_state
    value = value_of(one)(row)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def short(one: Quantity, value: object) -> str:
    """Return a value as short text: `1.2M`, `80%`, `3m`; NOTHING for None."""
    if value is None or value == "":
        return NOTHING
    return role_text(value) if one.name == "role" else short_text(value, one.unit)


# --- text


def text_lines(asked: Query, found: Listing, width: int | None = None) -> Iterator[str]:
    """Yield the lines of a table: headings, shards, and groups with their totals.

    Args:
        asked: the query.
        found: the shards.
        width: of the terminal, which cuts lines, and ids before that; None for no limit.
    """
    columns = asked.columns
    table = [[safe(one.heading) for one in columns]]
    if found.groups:
        for group in found.groups:
            table.append([*_total_cells(columns, safe(group.title), group.totals, group.rows)])
            table += [_cells(columns, row, indent=GAP) for row in group.rows]
    else:
        table += [_cells(columns, row) for row in found.rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    if width is not None:
        _narrow(columns, widths, width)
    for cells in table:
        parts = [
            _fit(text, room).rjust(room) if one.numeric else _fit(text, room).ljust(room)
            for one, text, room in zip(columns, cells, widths, strict=True)
        ]
        yield GAP.join(parts)[:width].rstrip()


def _cells(columns: Sequence[Quantity], row: Row, indent: str = "") -> list[str]:
    texts = [
        safe(row.status) if one.name == "state" else short(one, exact(one, row)) for one in columns
    ]
    return [indent + texts[0], *texts[1:]]


def _total_cells(
    columns: Sequence[Quantity], title: str, totals: Totals, rows: Sequence[Row]
) -> Iterator[str]:
    """Yield the cells of a group's line: its title and size first, totals in their columns."""
    yield f"{title} ({totals.shards})"
    for one in columns[1:]:
        yield short(one, total_of(one, rows)) if one.total else ""


def _narrow(columns: Sequence[Quantity], widths: list[int], width: int) -> None:
    """Take what does not fit from the column of ids."""
    names = [one.name for one in columns]
    if "id" not in names:
        return
    at = names.index("id")
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    widths[at] = max(min(MIN_ID, widths[at]), widths[at] - max(0, excess))


def _fit(text: str, room: int) -> str:
    """Return a text without its middle where it does not fit: ids end with what differs."""
    if len(text) <= room:
        return text
    end = (room - 1) * 2 // 3
    return f"{text[: room - 1 - end]}~{text[len(text) - end :]}"


# --- CSV and JSON


def csv_lines(asked: Query, found: Listing) -> Iterator[str]:
    """Yield comma-separated values with a heading, without ends of lines, as RFC 4180 has them.

    Numbers are exact, and unknown values empty. With groups, the first column is the group.
    """
    written = _csv_writer()
    head = [_csv_cell(one.name) for one in asked.columns]
    yield written(["group", *head] if asked.group else head)
    for group, rows in _parts(found):
        for row in rows:
            cells = [_csv_cell(exact(one, row)) for one in asked.columns]
            yield written([_csv_cell(group), *cells] if asked.group else cells)


def _csv_writer() -> Callable[[Sequence[object]], str]:
    """Return the function that makes a line of CSV."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="")

    def written(cells: Sequence[object]) -> str:
        line.seek(0)
        line.truncate()
        writer.writerow(cells)
        return line.getvalue()

    return written


def _parts(found: Listing) -> Iterator[tuple[str, Sequence[Row]]]:
    yield "", found.rows
    for group in found.groups:
        yield group.title, group.rows


def _csv_cell(value: object) -> object:
    """Return a number as it is, and text so that no spreadsheet takes it for a formula."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = value_text(value, safe)
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_value(asked: Query, found: Listing) -> list[dict[str, object]]:
    """Return an object for each shard; with groups, one for each group, which has these.

    Values are exact, and null where they are unknown.
    """
    if not asked.group:
        return [_object(asked.columns, row) for row in found.rows]
    return [
        {
            "group": group.title,
            "totals": {**group.totals._asdict(), "states": dict(group.totals.states)},
            "shards": [_object(asked.columns, row) for row in group.rows],
        }
        for group in found.groups
    ]


def _object(columns: Sequence[Quantity], row: Row) -> dict[str, object]:
    return {one.name: exact(one, row) for one in columns}


# --- problems


def problem_lines(problems: Iterable[Problem], width: int | None = None) -> Iterator[str]:
    """Yield a line for each problem, with a heading; nothing where there is none.

    Args:
        problems: the worst first.
        width: of the terminal, which cuts lines; None for no limit.
    """
    table = [("severity", "shard", "since", "problem")]
    for one in problems:
        text = f"{one.title}: {one.detail}" if one.detail else one.title
        since = short_text(one.since, SECONDS)
        table.append((one.severity, safe(one.shard), since, safe(text)))
    if len(table) == 1:
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        line = GAP.join(text.ljust(room) for text, room in zip(cells, widths, strict=True))
        yield line[:width].rstrip()


def problem_csv(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield problems as comma-separated values with a heading, as `csv_lines` does."""
    written = _csv_writer()
    yield written(Problem._fields)
    for one in problems:
        yield written([_csv_cell(value) for value in one])
