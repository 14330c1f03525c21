"""Columns have every value as it was given, as packed numbers where all values allow it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.column_replies import unpacked
from zinfo.info.columns import Column
from zinfo.wire.codec import pack_fields, unpack

values = (
    st.none()
    | st.integers(-(2**63), 2**64 - 1)
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.lists(st.integers(0, 3), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.integers(0, 3) | st.booleans(), max_size=2)
)
numbers = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)


def column_of(given_values: list[Any]) -> Column:
    column = Column()
    column.resize(len(given_values))
    for position, value in enumerate(given_values):
        column.set(position, value)
    return column


def sent(column: Column, count: int) -> tuple[str, list[Any]]:
    """Return the type and the values of a column, as a client reads them."""
    found: Any = unpack(pack_fields(column.as_map(lambda: None)))
    body = {"count": count, "age": bytes(8 * count), "state": b"", "states": [], "columns": [found]}
    return found["type"], unpacked(body)["columns"][0]


@given(st.lists(values, max_size=6) | st.lists(numbers, max_size=6))
@example([1, 1.5, 2**53])
@example([2**53 + 1, 1.5])
@example([-0.0, 0])
@example([2**63 - 1, 0.5, None])
def test_each_value_is_sent_as_it_was_given(given_values: list[Any]) -> None:
    kind, found = sent(column_of(given_values), len(given_values))
    there = [value for value in given_values if value is not None]
    kinds = set(map(type, there))
    if kind == "float64":
        assert float in kinds <= {int, float}
        assert [None if value is None else math.copysign(1, value) for value in found] == [
            None if value is None else math.copysign(1, value) for value in given_values
        ]
        assert found == given_values
    else:
        assert repr(found) == repr(given_values)
        assert kind == "mixed" or kinds <= {int}


@pytest.mark.parametrize(
    ("given_values", "kind"),
    [
        ([], "int64"),
        ([None, None], "int64"),
        ([1, None, -(2**63), 2**63 - 1], "int64"),
        ([0.5, None], "float64"),
        ([0.5, 7, 2**53], "float64"),
        ([0.5, 2**53 + 1], "mixed"),
        ([2**63], "mixed"),
        ([1, "7.2"], "mixed"),
        ([True], "mixed"),
        ([[1], {"a": 1}], "mixed"),
    ],
    ids=str,
)
def test_the_type_of_a_column_is_the_narrowest_that_has_all_values(
    given_values: list[Any], kind: str
) -> None:
    assert sent(column_of(given_values), len(given_values)) == (kind, given_values)


def test_absent_values_are_zero_so_that_they_compress_and_add_nothing_to_a_sum() -> None:
    column = column_of([None, 5, None]).as_map(lambda: None)
    assert column["data"] == bytes(8) + b"\5" + bytes(15)
    assert column["valid"] == b"\0\1\0"
    assert column_of([1, 2]).as_map(lambda: None)["valid"] is None


def test_a_column_can_be_cut_at_the_end_of_a_page() -> None:
    column = column_of([1, "a", "b", 2])
    column.resize(1)
    assert sent(column, 1) == ("int64", [1])


def test_converting_many_values_yields() -> None:
    for given_values in ([1, 0.5] * 500, [1, "a"] * 500):
        yields: list[int] = []
        column_of(given_values).as_map(lambda yields=yields: yields.append(1))  # type: ignore[misc]  # a default argument binds the list
        assert len(yields) >= 3
