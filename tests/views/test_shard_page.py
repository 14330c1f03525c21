"""The parts of a shard's page."""

from __future__ import annotations

import pytest

from tests.info_texts import TEXTS
from zinfo.info.parser import parse
from zinfo.views.quantities import quantity, value_of
from zinfo.views.rows import Row
from zinfo.views.shard_page import PARTS, MapLine, order_lines, shown_fields, table_lines

TABLES = {part.title: part.table for part in PARTS if part.table}


def lines(title: str, info: dict[str, object]) -> list[MapLine]:
    """The lines of the table of a part."""
    rates = {"cmdstat_get.calls": 2.5}
    return table_lines(TABLES[title], info, rates)  # type: ignore[arg-type]  # parsed values


def test_each_item_names_a_quantity() -> None:
    """So that each can be evaluated and has a unit."""
    items = [item for part in PARTS for item in part.items]
    assert len(items) > 50
    for item in items:
        assert quantity(item.quantity).name, item


def test_the_items_of_a_primary_have_values() -> None:
    """Those of its memory are all there."""
    info = parse(TEXTS["redis-7.0.15-primary-3"]).fields
    row = Row("a", {}, "up", "", True, "master", "7", 1.0, 1.0, 1, info=info)
    memory = next(part for part in PARTS if part.title == "Memory")
    missing = [
        item.label
        for item in memory.items
        if value_of(quantity(item.quantity))(row) is None and not item.quantity.endswith("/s")
    ]
    assert not missing


def test_commands_join_calls_and_percentiles() -> None:
    """A line for each command."""
    info = {
        "cmdstat_get": {"calls": 7, "usec": 21, "usec_per_call": 3.0},
        "latency_percentiles_usec_get": {"p50": 1.0, "p99": 9.0, "p99.9": 12.0},
        "cmdstat_config|get": {"calls": 1, "usec": 50, "usec_per_call": 50.0},
    }
    found = {line.name: line.values for line in lines("Commands", info)}  # type: ignore[arg-type]  # literals
    assert found["get"] == (2.5, 7, 3.0, 1.0, 9.0, 12.0, 21, None, None)
    assert found["config|get"] == (None, 1, 50.0, None, None, None, 50, None, None)


def test_databases_and_replicas_are_numbered() -> None:
    """`dbfilename` and `slave_repl_offset` are no lines."""
    info = {"db0": {"keys": 3}, "dbx": {"keys": 1}, "slave_repl_offset": 3, "slave0": {"ip": "::1"}}
    assert [line.name for line in lines("Keyspace", info)] == ["0"]
    assert [line.values[0] for line in lines("Replication", info)] == ["::1"]


@pytest.mark.parametrize(
    ("falling", "names"), [(True, ["b", "c", "a", "d"]), (False, ["a", "c", "b", "d"])]
)
def test_lines_without_a_value_come_last(falling: bool, names: list[str]) -> None:
    """In either order."""
    given = [MapLine(name, (value,)) for name, value in zip("abcd", (1, 9, 5, None), strict=True)]
    assert [line.name for line in order_lines(given, 0, falling=falling)] == names


def test_every_field_is_shown_by_a_part_or_in_the_list_below() -> None:
    """Maps of commands, errors and databases are in tables, `used_memory` in a part."""
    info = parse(TEXTS["redis-7.0.15-primary-3"]).fields
    shown = shown_fields(info)
    assert {"used_memory", "db0", "run_id"} <= shown
    assert "lru_clock" not in shown
    assert not shown - info.keys()
