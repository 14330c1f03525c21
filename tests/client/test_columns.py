"""Columns from the pages of a reply, without sockets."""

from __future__ import annotations

import math
import struct
from array import array
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.column_pages import page_of, part_of
from tests.column_replies import unpacked
from tests.examples import examples
from tests.protocol_vectors import frames_of, read
from zinfo.client.columns import Columns, columns_of
from zinfo.errors import ProtocolError
from zinfo.wire import column_pages
from zinfo.wire.codec import pack, unpack
from zinfo.wire.column_pages import page_from_body
from zinfo.wire.query_messages import decode_reply

VALUES = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63]),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    st.dictionaries(st.text(max_size=2), st.integers(0, 9), max_size=2),
)


def columns_from(*pages: list[object], ids: bool = True) -> Columns:
    """Return the Columns with one field `x`, of which each page has some values."""
    total, first, parts = sum(map(len, pages)), 0, []
    for values in pages:
        count = len(values)
        body = page_of(
            {"x": values},
            ids=[f"s{first + at:03}" for at in range(count)] if ids else None,
            total=total,
            first=first,
            ages=[float(first + at) for at in range(count)],
            states=["up"] * count,
        )
        parts.append(page_from_body(unpack(pack(body)), 1))
        first += count
    return columns_of(["x"], parts, None)


def test_a_column_of_integers_is_a_buffer_of_int64() -> None:
    column = columns_from([1, -2, 2**63 - 1])["x"]
    assert column.dtype == "int64"
    assert isinstance(column.values, memoryview)
    view = column.values
    assert (view.format, view.itemsize, view.contiguous, view.readonly) == ("q", 8, True, True)
    assert column.valid is None
    assert list(column) == [1, -2, 2**63 - 1]
    assert sum(view) == 2**63 - 2


def test_a_column_of_fractions_is_a_buffer_of_float64() -> None:
    column = columns_from([1.5, 2, 3.0])["x"]
    assert column.dtype == "float64"
    assert isinstance(column.values, memoryview)
    assert column.values.format == "d"
    assert list(column) == [1.5, 2.0, 3.0]


def test_numpy_takes_values_without_a_copy() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed; the buffer is the same")
    column = columns_from([1, None], [3])["x"]
    numbers = numpy.asarray(column.values)
    assert numbers.dtype == numpy.int64
    assert numpy.shares_memory(numbers, numpy.frombuffer(column.values, dtype=numpy.int64))
    valid = numpy.frombuffer(column.valid, dtype=bool)
    assert numbers[valid].tolist() == [1, 3]


def test_absent_values_are_none() -> None:
    column = columns_from([1, None, 3])["x"]
    assert list(column) == [1, None, 3]
    assert (column[0], column[1], column[-1], column[1:]) == (1, None, 3, [None, 3])
    assert column.valid is not None
    assert column.valid.tolist() == [1, 0, 1]
    assert len(column.values) == 3
    with pytest.raises(IndexError):
        column[3]


def test_text_is_a_list() -> None:
    column = columns_from(["master", None], [7])["x"]
    assert column.dtype == "mixed"
    assert column.values == ["master", None, 7]
    assert column.valid is None
    assert column[0] == "master"


def test_columns_are_a_mapping_with_ids_ages_and_states() -> None:
    body = page_of(
        {"role": ["master", None], "used_memory": [5, None]},
        ids=["a", "b"],
        ages=[0.5, math.inf],
        states=["up", "new"],
    )
    columns = columns_of(["role", "used_memory"], [page_from_body(body, 2)], None)
    assert list(columns) == ["role", "used_memory"]
    assert columns.ids == ("a", "b")
    assert columns.states == ("up", "new")
    assert list(columns.ages) == [0.5, math.inf]
    assert list(columns.rows()) == [("a", ("master", 5)), ("b", (None, None))]
    assert "2 shards, role: mixed, used_memory: int64" in repr(columns)
    assert repr(columns["role"]) == "<Column of 2 values, mixed>"
    with pytest.raises(KeyError):
        columns["maxmemory"]


def test_a_single_page_is_not_copied() -> None:
    body = page_of({"x": [1, 2]}, ids=["a", "b"], ages=[0.0, 0.0], states=["up", "up"])
    page = page_from_body(body, 1)
    values = columns_of(["x"], [page], None)["x"].values
    assert isinstance(values, memoryview)
    assert values.obj is page.columns[0].data


@pytest.mark.parametrize(
    ("pages", "type_"),
    [
        ([[1], [1.5]], "float64"),
        ([[2**53 + 1], [1.5]], "mixed"),  # float64 would round the integer
        ([[1.5], ["nan"]], "mixed"),
        ([[None], [2**60], [None]], "int64"),  # a page without values has no say
        ([[None], ["a"]], "mixed"),
        ([[2**60], ["a"]], "mixed"),
        ([[None], [None]], "int64"),
    ],
)
def test_pages_of_different_types_are_joined_exactly(pages: list[list[object]], type_: str) -> None:
    column = columns_from(*pages)["x"]
    assert column.dtype == type_
    assert list(column) == [value for page in pages for value in page]


def test_a_page_without_values_may_have_any_type() -> None:
    for empty in (part_of([None]), {**part_of([1.0]), "valid": b"\0"}, _mixed([None])):
        for others in ([7], [7.5]):
            pages = []
            for first, part in enumerate((empty, part_of(others))):
                body = page_of({}, ids=[str(first)], total=2, first=first, ages=[0], states=["up"])
                pages.append(page_from_body({**body, "columns": [part]}, 1))
            column = columns_of(["x"], pages, None)["x"]
            assert column.dtype == part_of(others)["type"]
            assert list(column) == [None, *others]


def _mixed(values: list[object]) -> dict[str, object]:
    return {"type": "mixed", "data": values, "valid": None}


@pytest.mark.parametrize("vector", read("columns"), ids=lambda vector: str(vector["name"]))
def test_the_vectors_of_the_protocol_are_read(vector: dict[str, Any]) -> None:
    body: Any = decode_reply(frames_of(vector)).body
    expected = unpacked(body)
    page = page_from_body(body, len(body["columns"]))
    assert page.ids == expected["ids"]
    assert list(memoryview(page.ages).cast("d")) == expected["age"]
    assert page.states == expected["state"]
    assert [list(column.values()) for column in page.columns] == expected["columns"]


@given(st.lists(st.lists(VALUES, max_size=4), min_size=1, max_size=4))
@settings(max_examples=examples(300))
def test_values_come_out_as_they_went_in(pages: list[list[object]]) -> None:
    columns = columns_from(*pages)
    expected = [value for page in pages for value in page]
    assert list(columns["x"]) == expected
    assert [columns["x"][at] for at in range(len(expected))] == expected
    assert list(columns.ages) == list(range(len(expected)))
    assert len(columns.ids) == len(columns.states) == len(expected)


GOOD = page_of(
    {"x": [1, None], "y": [1.5, 2.5], "z": ["a", None]},
    ids=["a", "b"],
    ages=[0.5, math.inf],
    states=["up", "new"],
)

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 3),
    st.sampled_from([2**63, -(2**63), 1.5, "int64", "float64", "mixed", "a"]),
    st.binary(max_size=17),
    st.lists(st.one_of(st.none(), st.text(max_size=2), st.integers()), max_size=3),
    st.dictionaries(st.sampled_from(["type", "data", "valid"]), st.binary(max_size=16)),
)


@pytest.mark.parametrize(
    "change",
    [
        {"ids_revision": None},
        {"ids_revision": True},
        {"total": -1},
        {"total": 1},  # less than this page has
        {"total": 3},  # another page is missing
        {"first": 1, "total": 3},  # the first page is missing
        {"count": 1},
        {"count": 2**70, "total": 2**71},
        {"ids": ["a"]},
        {"ids": ["a", 1]},
        {"ids": None},  # and this client has no list
        {"age": b""},
        {"age": "0123456789abcdef"},
        {"state": b"\1"},
        {"state": b"\5\5"},
        {"state": b"\1\5"},
        {"states": None},
        {"states": [1, 2]},
        {"columns": None},
        {"columns": []},
        {"columns": [None, None, None]},
    ],
    ids=repr,
)
def test_a_malformed_page_is_a_protocol_error(change: dict[str, object]) -> None:
    assert len(columns_of("xyz", [page_from_body(GOOD, 3)], None)) == 3
    with pytest.raises(ProtocolError):
        columns_of("xyz", [page_from_body({**GOOD, **change}, 3)], None)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "int32"},
        {"type": None},
        {"type": ["int64"]},
        {"type": "mixed"},
        {"data": bytes(15)},
        {"data": bytes(24)},
        {"data": [1, 2]},
        {"data": None},
        {"valid": b"\1"},
        {"valid": b"\1\2"},
        {"valid": [1, 0]},
        {"type": "mixed", "data": [1], "valid": None},
        {"type": "mixed", "data": [1, 2], "valid": b"\1\1"},
    ],
    ids=repr,
)
def test_a_malformed_column_is_a_protocol_error(change: dict[str, object]) -> None:
    part = {**part_of([1, None]), **change}
    with pytest.raises(ProtocolError):
        page_from_body({**GOOD, "columns": [part]}, 1)


@pytest.mark.parametrize("body", [None, [], "text"])
def test_a_body_that_is_no_map_is_a_protocol_error(body: object) -> None:
    with pytest.raises(ProtocolError):
        page_from_body(body, 1)


def test_pages_that_do_not_continue_each_other_are_a_protocol_error() -> None:
    def page(first: int, **change: object) -> column_pages.ColumnsPage:
        body = page_of({"x": [1]}, ids=[str(first)], total=2, first=first, ages=[0], states=["up"])
        return page_from_body({**body, **change}, 1)

    assert list(columns_of("x", [page(0), page(1)], None)["x"]) == [1, 1]
    for pages in (
        [],
        [page(0)],
        [page(1), page(0)],
        [page(0), page(0)],
        [page(0), page(1, total=3)],
        [page(0), page(1, ids_revision=2)],
        [page(0), page(1, ids=None)],
    ):
        with pytest.raises(ProtocolError):
            columns_of("x", pages, ("0", "1"))


def test_the_list_that_the_client_has_is_used_for_pages_without_ids() -> None:
    page = page_from_body({**GOOD, "ids": None}, 3)
    ids = ("a", "b")
    assert columns_of("xyz", [page], ids).ids is ids
    with pytest.raises(ProtocolError):
        columns_of("xyz", [page], ("a",))


@given(st.data())
@settings(max_examples=examples(1000))
def test_malformed_pages_give_one_value_for_each_shard_or_an_error(
    data: st.DataObject,
) -> None:
    body: dict[str, object] = dict(GOOD)
    parts = [dict(part) for part in cast("list[dict[str, object]]", GOOD["columns"])]
    body["columns"] = parts
    for _ in range(data.draw(st.integers(1, 3))):
        target = data.draw(st.sampled_from([body, *parts]))
        target[data.draw(st.sampled_from(sorted(target)))] = data.draw(JUNK)
    try:
        columns = columns_of("xyz", [page_from_body(body, 3)], ("a", "b"))
    except ProtocolError:
        return
    count = len(columns.ids)
    assert len(columns.ages) == len(columns.states) == count
    for name, column in columns.items():
        assert len(list(column)) == len(column.values) == count, name
        assert [column[at] for at in range(count)] == list(column), name
    assert len(list(columns.rows())) == count


def test_numbers_are_swapped_on_a_machine_with_the_other_byte_order() -> None:
    packed = struct.pack("<2q", 1, -2)
    assert column_pages.native(packed, "int64", "little") is packed
    swapped = array("q", column_pages.native(packed, "int64", "big"))
    assert list(swapped) == list(struct.unpack(">2q", packed))
