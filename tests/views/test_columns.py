"""The columns of the table: which of them fit, their text, and their sort order."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.top.building import row
from zinfo.views.columns import COLUMNS, GAP, SORTABLE, fitting, ordered
from zinfo.views.ordering import natural
from zinfo.views.rows import Row


def text(name: str, one: Row) -> str:
    return SORTABLE[name].text(one)


def shards(rows: list[Row]) -> list[str]:
    return [one.shard for one in rows]


@pytest.mark.parametrize("width", [79, 119, 200])
def test_columns_fit_the_width_and_use_it(width: int) -> None:
    shown = fitting(width)
    used = sum(column.width for column in shown) + GAP * (len(shown) - 1)
    assert width - 8 <= used <= width or len(shown) == len(COLUMNS)


def test_the_narrow_table_has_the_most_important_columns() -> None:
    names = [column.name or column.series for column in fitting(79)]
    assert names == ["shard", "state", "role", "ops", "ops", "memory", "hits", "clients", "age"]


def test_the_wide_table_has_three_sparklines_and_all_but_the_least() -> None:
    shown = fitting(119)
    assert [column.series for column in shown if column.series] == ["ops", "memory", "hit_ratio"]
    assert fitting(200) == [
        column._replace(width=column.grows) if column.grows else column for column in COLUMNS
    ]


@given(st.integers(0, 300))
@settings(max_examples=examples(100))
def test_a_wider_table_never_has_fewer_columns(width: int) -> None:
    assert len(fitting(width)) <= len(fitting(width + 1))


def test_every_text_fits_its_column() -> None:
    full = row(
        "127.0.0.1:65535", state="down", reason="refused", role="master", version="7.0.15",
        ops=10**12, memory=10**15, maxmemory=10**15, clients=10**9, keys=10**12,
        hit_ratio=1.0, hit_ratio_overall=1.0, interval=1e6, age=1e8,
    )  # fmt: skip
    for one in (full, full._replace(state="up", reason=""), row(hit_ratio_overall=1.0)):
        for column in COLUMNS:
            assert len(column.text(one)) <= column.width, column.name


def test_outdated_numbers_are_not_shown() -> None:
    down = row(state="down", reason="timeout", ops=500, clients=9, hit_ratio=0.5, memory=1024)
    assert text("state", down) == "down: timeout"
    assert [text(name, down) for name in ("ops", "clients", "hits", "interval")] == ["-"] * 4
    assert text("memory", down) == "1.0K"
    stale = row(fresh=False, ops=500)
    assert text("state", stale) == "stale"
    assert text("ops", stale) == "-"


def test_a_hit_ratio_since_the_start_is_marked() -> None:
    assert text("hits", row(hit_ratio=0.5, hit_ratio_overall=0.9)) == "50%"
    assert text("hits", row(hit_ratio=None, hit_ratio_overall=0.9)) == "~90%"
    assert text("hits", row()) == "-"


def test_the_part_of_maxmemory_is_known_where_there_is_one() -> None:
    assert text("full", row(memory=50, maxmemory=200)) == "25%"
    assert text("full", row(memory=50, maxmemory=0)) == "-"


def test_an_id_cannot_control_the_terminal() -> None:
    assert text("shard", row("a\x1b[31m")) == r"a\x1b[31m"


def test_names_with_numbers_are_in_the_order_of_the_numbers() -> None:
    names = ["db-10:1", "db-2:10", "db-2:9", "a"]
    assert sorted(names, key=natural) == ["a", "db-2:9", "db-2:10", "db-10:1"]
    natural("9" * 10_000)


def test_the_greatest_come_first_and_unknown_values_last_in_both_directions() -> None:
    rows = [
        row("a", ops=1), row("b", ops=None), row("c", ops=5), row("d", ops=9, state="down")
    ]  # fmt: skip
    assert shards(ordered(rows, "ops")) == ["c", "a", "b", "d"]
    assert shards(ordered(rows, "ops", reverse=True)) == ["a", "c", "b", "d"]


def test_the_worst_state_comes_first() -> None:
    rows = [
        row("a"), row("b", state="loading"), row("c", state="down", reason="refused"),
        row("d", fresh=False), row("e", state="new"), row("f", state="busy"),
    ]  # fmt: skip
    assert shards(ordered(rows, "state")) == ["c", "d", "f", "b", "e", "a"]


def test_a_shard_that_was_never_polled_comes_last_by_age() -> None:
    rows = [row("a", age=math.inf), row("b", age=1.0), row("c", age=3.0)]
    assert shards(ordered(rows, "age")) == ["c", "b", "a"]


@pytest.mark.parametrize("name", SORTABLE)
@pytest.mark.parametrize("reverse", [False, True])
def test_every_column_can_sort_all_rows(name: str, reverse: bool) -> None:
    nothing = row(
        "x9", role=None, version=None, ops=None, memory=None, maxmemory=None, clients=None,
        keys=None, interval=None, age=math.inf, state="new",
    )  # fmt: skip
    rows = [row("x10"), nothing, row("x2", state="odd"), row("x1", version="8", role="slave")]
    assert sorted(shards(ordered(rows, name, reverse=reverse))) == ["x1", "x10", "x2", "x9"]
