"""Sets of columns: those of zinfo, and those that users save."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.daemons import ROOT
from tests.examples import examples
from tests.info_texts import TEXTS
from zinfo.info.parser import parse
from zinfo.views.column_sets import (
    BUILT_IN,
    MAX_COLUMNS,
    MAX_SETS,
    ColumnSet,
    ColumnSetError,
    check_columns,
    check_name,
    dump_column_sets,
    load_column_sets,
    parse_columns,
)
from zinfo.views.quantities import QUANTITIES, quantity

SAVED = [ColumnSet("my memory", ("id", "used_memory_rss", "ops~", "label:site"))]


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_sets_of_zinfo_are_valid_and_begin_with_the_id(name: str) -> None:
    assert check_columns(BUILT_IN[name]) == BUILT_IN[name]
    assert BUILT_IN[name][:2] == ("id", "state")


def test_the_sets_of_zinfo_name_fields_that_servers_have() -> None:
    known = {field for text in TEXTS.values() for field in parse(text).fields}
    for columns in BUILT_IN.values():
        for name in columns:
            if name.removesuffix("~") not in QUANTITIES:
                assert quantity(name.removesuffix("~")).fields <= known, name


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("id,state", ("id", "state")),
        (" shard , every, id ", ("id", "interval")),
        ("ops~,used_memory_rss,expired_keys/s", ("ops~", "used_memory_rss", "expired_keys/s")),
        ("memory", BUILT_IN["memory"]),
        ("my memory", SAVED[0].columns),
    ],
)
def test_a_text_names_columns_or_a_set(text: str, columns: tuple[str, ...]) -> None:
    assert parse_columns(text, SAVED) == columns


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "no column is named"),
        (" , ", "no column is named"),
        ("id,a b", "'a b' is no column"),
        ("full~", "there is no history of full"),
        (",".join(f"field_{number}" for number in range(MAX_COLUMNS + 1)), "at most 40 columns"),
        ("a\n=b", "is no column"),
    ],
)
def test_an_invalid_column_is_an_error_of_one_line(text: str, error: str) -> None:
    with pytest.raises(ColumnSetError, match=r"\A[^\n]+\Z") as caught:
        parse_columns(text)
    assert error in str(caught.value)


def test_saved_sets_can_be_read_again() -> None:
    assert load_column_sets(dump_column_sets(SAVED)) == SAVED
    assert load_column_sets("") == []


@given(st.text(min_size=1, max_size=20), st.lists(st.text(max_size=20), min_size=1, max_size=5))
@settings(max_examples=examples(200))
def test_what_can_be_saved_can_be_read(name: str, columns: list[str]) -> None:
    try:
        check_name(name)
        one = ColumnSet(name, check_columns(columns))
    except ColumnSetError:
        return
    assert load_column_sets(dump_column_sets([one])) == [one]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[columns", "not valid TOML"),
        ("[filters]", "filters is unknown"),
        ("columns = 3", "[columns] is no table"),
        ("[columns]\nmine = 3", "mine: expected a list"),
        ("[columns]\nmine = [3]", "mine: expected a list"),
        ("[columns]\nmine = ['a b']", "mine: 'a b' is no column"),
        ("[columns]\nmine = []", "mine: no column is named"),
        ("[columns]\nmemory = ['id']", "memory is a set of zinfo"),
        ("[columns]\n'a,b' = ['id']", "no comma"),
        ("a = " + "[" * 5000, "not valid TOML"),
        (
            "[columns]\n" + "\n".join(f"s{n} = ['id']" for n in range(MAX_SETS + 1)),
            f"more than {MAX_SETS} sets",
        ),
    ],
)
def test_an_invalid_file_is_an_error_of_one_line(text: str, error: str) -> None:
    with pytest.raises(ColumnSetError, match=r"\A[^\n]+\Z") as caught:
        load_column_sets(text)
    assert error in str(caught.value)


def test_the_page_about_the_view_names_all_columns_and_sets() -> None:
    page = (ROOT / "docs" / "reference" / "top.md").read_text(encoding="utf-8")
    part = page.partition("## Columns, groups and totals")[2].partition("\n## ")[0]
    for name in (*QUANTITIES, *BUILT_IN):
        assert f"`{name}`" in part, name
