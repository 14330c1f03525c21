"""Cells have the numbers that a parse finds, and are the same natively and in Python."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.info_texts import TEXTS
from zinfo.info.cells import encoded_names, is_simple_field, read_cells
from zinfo.info.columns import ABSENT, FRACTION, INTEGER, OTHER
from zinfo.info.parser import parse
from zinfo.native.loader import native
from zinfo.shards.followed_rows import write_row

NAMES = ("a", "b", "ab", "used_memory", "used_memory_rss", "used_memo", "x_id", "role", "db0", "n")
VALUES = (
    *(b"0", b"1", b"-7", b"-0", b"007", b" 1", b"1 ", b"+1", b"", b"x", b"1,2", b"k=1", b"nan"),
    *(
        b"123456789012345678",
        b"1234567890123456789",
        b"-123456789012345678",
        b"18446744073709551615",
    ),
    *(
        b"0.25",
        b"-0.0",
        b"1.",
        b".5",
        b"1e+06",
        b"7e12",
        b"1.5e6",
        b"1e-400",
        b"1e+400",
        b"1.0e999",
    ),
    *(
        b"0.1234567890123456789",
        b"123456789012345.6",
        b"0." + b"1" * 62,
        b"0." + b"1" * 63,
        b"\xff",
    ),
    *(b"1\r", b"1\0", b"1:2", "٣".encode()),
)
names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True)
lines = st.builds(
    b"%b:%b".__mod__,
    st.tuples(st.sampled_from([n.encode() for n in NAMES]), st.sampled_from(VALUES)),
)
odd_lines = st.sampled_from(
    [b"", b"# a:1", b"a", b":1", b"\r", b" a:1", b"used", b"\xff:1", b"a" * 200]
)
texts = st.builds(
    lambda end, parts, last: end.join(parts) + last,
    st.sampled_from([b"\n", b"\r\n"]),
    st.lists(lines | lines | lines | odd_lines, max_size=9),
    st.sampled_from([b"", b"\n", b"\r\n", b"\r"]),
)


def unpacked(packed: bytes, count: int) -> list[tuple[int, float | None]]:
    """Return mark and number of each cell."""
    marks, values = packed[:count], packed[count:]
    assert len(values) == 8 * count
    found: list[tuple[int, float | None]] = []
    for number, mark in enumerate(marks):
        value = values[8 * number : 8 * number + 8]
        if mark in (INTEGER, FRACTION):
            found.append((mark, struct.unpack("<q" if mark == INTEGER else "<d", value)[0]))
        else:
            assert value == bytes(8)
            found.append((mark, None))
    return found


def check_native(raw: bytes, wanted: list[str]) -> None:
    """A row of a reply is the same natively and in Python."""
    size = 1 + 8 + 9 * len(wanted)
    expected, rows = bytearray(3 * size), bytearray(3 * size)
    write_row(expected, 1, raw, *encoded_names(wanted), 7.5)
    if native is not None:
        native.write_row(rows, 1, raw, *encoded_names(wanted), 7.5)
        assert rows == expected


def check(raw: bytes, wanted: list[str]) -> None:
    encoded, kinds = encoded_names(wanted)
    packed = read_cells(raw, encoded, kinds)
    check_native(raw, wanted)
    fields = parse(raw).fields
    for name, (mark, number) in zip(wanted, unpacked(packed, len(wanted)), strict=True):
        value = fields.get(name)
        if mark == ABSENT:
            assert name not in fields
        elif mark == OTHER:
            assert name in fields
        else:
            assert repr(number) == repr(value)


@given(texts | st.binary(max_size=40), names)
@example(b"a:1", ["a"])
@example(b"a", ["a"])
@example(b"a:1\na:2", ["a", "b", "ab", "n"])
@example(b"x_id:7\nrole:7", ["x_id", "role"])
@settings(max_examples=examples(1500))
def test_cells_have_the_numbers_of_a_parse(raw: bytes, wanted: list[str]) -> None:
    check(raw, wanted)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_cells_of_a_real_reply_have_the_numbers_of_a_parse(name: str) -> None:
    raw = TEXTS[name]
    fields = parse(raw).fields
    simple = list(filter(is_simple_field, fields))
    for first in range(0, len(simple), 64):
        check(raw, simple[first : first + 64])
    for size in (1, 3, 4):
        check(raw, [*simple[:size], "none"])
    marks = read_cells(raw, *encoded_names(simple[:64]))[: len(simple[:64])]
    plain = [name for name in simple[:64] if type(fields[name]) in (int, float)]
    read = sum(mark in (INTEGER, FRACTION) for mark in marks)
    assert len(plain) * 0.9 <= read <= len(plain) or "handmade" in name


@pytest.mark.parametrize("size", [1, 7, 8, 64, 4096])
def test_names_and_replies_may_end_anywhere(size: int) -> None:
    name = "n" * size
    for raw in (f"{name}:5", f"{name}:", name, name[1:], f"{name}:5\n{name}", f"x:1\n{name}:5\r\n"):
        for more in ([], ["a", "b", "c"]):
            check(raw.encode(), [name, *more])


@pytest.mark.parametrize(
    ("name", "simple"),
    [
        ("used_memory", True),
        ("db0", True),
        ("", False),
        ("a:b", False),
        ("#a", False),
        ("é", False),
        ("module", False),
        ("cmdstat_get", False),
        ("a" * 129, False),
    ],
)
def test_only_fields_whose_lines_are_a_name_and_a_value_are_simple(name: str, simple: bool) -> None:
    assert is_simple_field(name) is simple
