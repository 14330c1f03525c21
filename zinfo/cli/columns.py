"""`zinfo columns`: prints some fields of all shards as a table, a line for each shard."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import examples, verbatim
from zinfo.cli.client_options import Daemon, client_options
from zinfo.cli.completion import complete_fields
from zinfo.cli.fields import Fields, Selection, unmatched_fields
from zinfo.cli.labels import label_option
from zinfo.cli.missing import fail_if_missing, missing_of
from zinfo.cli.output import (
    echo_json,
    echo_table,
    emit,
    note,
    seconds,
    state_text,
    text_or_nothing,
    value_text,
)
from zinfo.cli.text import printable
from zinfo.cli.unmatched import Unmatched, fail_if_unmatched, report, unmatched_labels
from zinfo.views.formatting import NOTHING

if TYPE_CHECKING:
    from zinfo.client import Client, Column, Columns, Fleet
    from zinfo.client.updates import Value

_FORMULA = ("=", "+", "-", "@")  # how text starts that spreadsheets would calculate


@click.command(
    epilog=verbatim(
        "Columns",
        "SHARD     id of the shard",
        "STATE     new, up, loading, busy or down",
        "AGE       time since its newest INFO",
        "FIELD     as in INFO; - where the shard does not have it",
    )
    + "\n\n"
    + examples(
        "zinfo columns used_memory connected_clients",
        "zinfo columns used_memory --sort -used_memory | head     the largest first",
        "zinfo columns role master_link_status --label site=fra",
        "zinfo columns used_memory maxmemory --csv > memory.csv   for a spreadsheet",
        "zinfo columns used_memory --json | jq -s 'map(.used_memory) | add'",
    )
)
@click.argument(
    "fields", metavar="FIELD...", nargs=-1, required=True, shell_complete=complete_fields
)
@click.option(
    "--sort",
    "order",
    metavar="FIELD",
    shell_complete=complete_fields,
    help="Sort by this one of the fields; -FIELD for the greatest value first. Shards without it "
    "come last.  [default: by id]",
)
@label_option()
@click.option(
    "--csv", "as_csv", is_flag=True, help="Print comma-separated values with a heading (RFC 4180)."
)
@client_options
def columns(
    daemon: Daemon,
    fields: tuple[str, ...],
    order: str | None,
    labels: Mapping[str, str],
    as_csv: bool,
) -> None:
    """Print each FIELD of all shards as a table, one line for each shard.

    The values come from the daemon's cache, in one request for all shards; no server is polled.
    Shards that were never polled are listed, too. `zinfo get SHARD` prints all fields of a shard.

    With --json: an object per shard with its fields, null where it does not have one, and "meta"
    with id and shard_identifier, info_age (seconds; null before the first INFO) and state.
    """
    if as_csv and daemon.json:
        raise click.UsageError("--csv and --json cannot be combined")
    by = None if order is None else order.removeprefix("-")
    if by is not None and by not in fields:
        raise click.UsageError(f"--sort needs one of the fields: {', '.join(fields)}")
    with daemon.client() as client:
        found = client.get_columns(fields, labels)
        unmatched = [] if missing_of(found) else _unmatched(client, found, labels)
    positions = list(range(len(found.ids)))
    if order is not None and by is not None:
        positions = _sorted(found[by], descending=order != by)
    if daemon.json:
        for at in positions:
            echo_json(_entry(found, at))
    elif as_csv:
        for line in _csv_lines(found, positions):
            emit(line)
    elif positions:
        _echo_table(found, positions)
    fail_if_missing(missing_of(found))
    report(unmatched, fails=len(unmatched) == len(found))


def _sorted(column: Column, *, descending: bool) -> list[int]:
    """Return the positions of the shards in the order of their values; without one, last."""
    values = list(column)
    there = [at for at, value in enumerate(values) if value is not None]
    there.sort(key=lambda at: _sort_key(values[at]), reverse=descending)
    return there + [at for at, value in enumerate(values) if value is None]


def _sort_key(value: Value | None) -> tuple[bool, float, str]:
    """Numbers come before texts."""
    if isinstance(value, (int, float)):
        return False, value, ""
    return True, 0, value_text(value)


def _entry(found: Columns, at: int) -> dict[str, object]:
    age = found.ages[at]
    meta = {
        "shard_identifier": found.ids[at],
        "id": found.ids[at],
        "info_age": age if age < math.inf else None,
        "state": found.states[at],
    }
    return {**{name: column[at] for name, column in found.items()}, "meta": meta}


def _echo_table(found: Columns, positions: list[int]) -> None:
    cells = [_aligned(printable(name), column) for name, column in found.items()]
    headings = ["SHARD", "STATE", "AGE", *(texts[0] for texts in cells)]
    rows = [
        [
            text_or_nothing(found.ids[at]),
            state_text(found.states[at]),
            seconds(found.ages[at] if found.ages[at] < math.inf else None),
            *(texts[at + 1] for texts in cells),
        ]
        for at in positions
    ]
    echo_table(headings, rows)


def _aligned(heading: str, column: Column) -> list[str]:
    """Return a heading and the values below it, numbers aligned at the right."""
    texts = [heading, *(NOTHING if value is None else value_text(value) for value in column)]
    if column.dtype == "mixed":
        return texts
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts]


def _csv_lines(found: Columns, positions: list[int]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="")

    def written(cells: list[object]) -> str:
        line.seek(0)
        line.truncate()
        writer.writerow(cells)
        return line.getvalue()

    yield written(["shard", "state", "age", *map(_csv_cell, found)])
    for at in positions:
        age = found.ages[at]
        cells: list[object] = [
            _csv_cell(found.ids[at]),
            found.states[at],
            round(age, 3) if age < math.inf else None,
        ]
        yield written([*cells, *(_csv_cell(column[at]) for column in found.values())])


def _csv_cell(value: Value | None) -> object:
    """Return a number as it is, and text so that no spreadsheet takes it for a formula."""
    if value is None or isinstance(value, (int, float)):
        return value
    text = value_text(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _unmatched(
    client: Client | Fleet, found: Columns, labels: Mapping[str, str]
) -> list[Unmatched]:
    """Return which fields no shard has; nothing before the first INFO of a shard.

    Raises:
        ZinfoError: no shard has these labels.
    """
    if not found.ids:
        fail_if_unmatched(unmatched_labels(client, labels))
        note("the daemon polls no shards")
    if not any(age < math.inf for age in found.ages):
        return []
    missing = [name for name, column in found.items() if all(value is None for value in column)]
    if not missing:
        return []
    return unmatched_fields(client, Selection(Fields(list(found)), labels=labels), missing)
