"""Rows have what the shards have, through each change, and are the same natively and in Python."""

from __future__ import annotations

import math
import struct
from array import array
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.errors import ShardExistsError
from zinfo.info.cells import encoded_names
from zinfo.info.columns import ABSENT, FRACTION, INTEGER, OTHER
from zinfo.native.loader import native
from zinfo.shards import followed_rows
from zinfo.shards.followed_rows import FollowedRows, gather_rows, write_row
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import STATES, RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot

needs_native = pytest.mark.skipif(
    native is None,
    reason="of the native part itself: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON",
)

NOW = 1000.0
NAMES = ("a", "b", "c", "d", "role")
LINES = (b"a:1", b"a:-2", b"b:0.5", b"b:x", b"c:7", b"c:18446744073709551615", b"d:1e+06", b"# x")
replies = st.lists(st.sampled_from(LINES), min_size=1, max_size=5).map(b"\r\n".join)


def shard_of(ident: str, raw: bytes | None = None, age: float = 1.5) -> RedisShard:
    shard = RedisShard(ident, "redis://127.0.0.1:1")
    if raw is not None:
        shard.store(Snapshot(raw, 1, 5.0, NOW - age), 0)
    return shard


def nothing() -> None:
    """Yield point of a test without an event loop."""


def columns(
    rows: FollowedRows, shards: list[RedisShard], names: tuple[str, ...]
) -> list[tuple[float, str, list[object]]] | None:
    """Return age, state and values of each shard; a value that is not packed as "other"."""
    positions = rows.positions_of(shards)
    assert positions is not None
    found = rows.gather(array("I", positions), names, NOW)
    if found is None:
        return None
    read: dict[int, Any] = {
        ABSENT: lambda _packed: None,
        OTHER: lambda _packed: "other",
        INTEGER: lambda packed: struct.unpack("<q", packed)[0],
        FRACTION: lambda packed: struct.unpack("<d", packed)[0],
    }
    values = [
        [read[mark](packed[8 * at : 8 * at + 8]) for at, mark in enumerate(marks)]
        for packed, marks in found.columns
    ]
    ages = struct.unpack(f"<{len(shards)}d", found.ages)
    return [
        (ages[at], STATES[found.states[at]].value, [column[at] for column in values])
        for at in range(len(shards))
    ]


@pytest.fixture(params=["native", "python"])
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(followed_rows, "native", None)
    elif native is None:
        pytest.skip("no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")


@needs_native
@given(
    st.lists(st.none() | st.tuples(replies, st.sampled_from((NOW, 998.5, 2000.0))), max_size=5),
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
    st.data(),
)
@settings(max_examples=examples(100))
def test_native_code_and_python_write_and_gather_the_same_bytes(
    written: list[tuple[bytes, float] | None], names: list[str], data: st.DataObject
) -> None:
    assert native is not None
    natively, plainly = (bytearray((9 + 9 * len(names)) * len(written)) for _ in range(2))
    for position, row in enumerate(written):
        if row is not None:
            native.write_row(natively, position, row[0], *encoded_names(names), row[1])
            write_row(plainly, position, row[0], *encoded_names(names), row[1])
    assert natively == plainly
    numbers = st.integers(0, max(len(written) - 1, 0))
    positions = data.draw(st.lists(numbers, max_size=7 if written else 0))
    places = bytes(data.draw(st.lists(st.integers(0, len(names) - 1), max_size=4)))
    states = bytearray(number % len(STATES) for number in range(len(written)))
    arguments = (states, len(names), array("I", positions).tobytes(), places, NOW)
    found = native.gather_rows(natively, *arguments)
    assert found == gather_rows(plainly, *arguments)
    assert (found is None) == any(written[position] is None for position in positions)


@pytest.mark.usefixtures("implementation")
def test_a_row_has_the_newest_info_and_state() -> None:
    publisher = ShardPublisher()
    shards = [shard_of("x", b"a:1"), shard_of("y"), shard_of("z", b"a:5\nb:x")]
    for shard in shards:
        publisher.add_shard(shard)
    rows = publisher.rows
    rows.follow(["b", "a"])
    assert columns(rows, shards, ("a", "b")) is None  # no row is filled
    rows.fill([0, 1, 2], nothing)
    assert columns(rows, shards, ("a", "b")) == [
        (1.5, "new", [1, None]),
        (math.inf, "new", [None, None]),
        (1.5, "new", [5, "other"]),
    ]
    shards[1].store(Snapshot(b"a:7\nb:0.5", 1, 5.0, NOW + 5), 0)
    shards[2].state = ShardState.BUSY
    assert columns(rows, shards[::-1], ("b",)) == [
        (1.5, "busy", ["other"]),
        (0.0, "new", [0.5]),
        (1.5, "new", [None]),
    ]


@pytest.mark.usefixtures("implementation")
def test_fields_that_a_client_library_parsed_are_left_to_python() -> None:
    publisher, shard = ShardPublisher(), shard_of("x", b"a:1")
    publisher.add_shard(shard)
    publisher.rows.follow(["a"])
    shard.info = {"a": 7}
    found = columns(publisher.rows, [shard], ("a",))
    assert found is not None
    assert found[0][2] == ["other"]


def test_the_row_of_a_removed_shard_is_used_again_and_has_nothing_of_it() -> None:
    publisher = ShardPublisher()
    first, second, other = shard_of("x", b"a:1"), shard_of("y", b"a:2"), shard_of("z")
    publisher.add_shard(first)
    publisher.add_shard(second)
    publisher.rows.follow(["a"])
    publisher.rows.fill([0, 1], nothing)
    first.state = ShardState.UP
    publisher.del_shard("x")
    assert publisher.rows.gather(array("I", [0]), ["a"], NOW) is None
    publisher.add_shard(other)
    assert publisher.rows.positions_of([other, second]) == [0, 1]
    first.store(Snapshot(b"a:9", 2, 5.0, NOW), 0)  # a poll that ends late
    first.state = ShardState.DOWN
    publisher.rows.fill([0, 1], nothing)
    assert columns(publisher.rows, [other, second], ("a",)) == [
        (math.inf, "new", [None]),
        (1.5, "new", [2]),
    ]
    assert publisher.rows.positions_of([first]) is None


def test_a_shard_of_two_registries_has_a_row_in_the_first_of_them() -> None:
    first, second, shard = ShardPublisher(), ShardPublisher(), shard_of("x", b"a:1")
    for publisher in (first, second):
        publisher.add_shard(shard)
    assert (first.rows.positions_of([shard]), second.rows.positions_of([shard])) == ([0], None)
    with pytest.raises(ShardExistsError):
        first.add_shard(shard_of("x"))
    second.del_shard("x")
    assert first.rows.positions_of([shard]) == [0]
    assert first.rows.positions_of([None]) is None


@pytest.mark.usefixtures("implementation")
def test_a_large_reply_is_read_by_a_query_and_not_when_it_arrives() -> None:
    publisher, shard = ShardPublisher(), shard_of("x", b"a:1")
    publisher.add_shard(shard)
    publisher.rows.follow(["a"])
    publisher.rows.fill([0], nothing)
    shard.store(Snapshot(b"a:2\n" + b"x" * (1 << 20), 2, 5.0, NOW), 0)
    assert columns(publisher.rows, [shard], ("a",)) is None
    publisher.rows.fill([0], nothing)
    assert columns(publisher.rows, [shard], ("a",)) == [(0.0, "new", [2])]


def test_filling_goes_on_after_shards_and_fields_changed_at_a_yield_point() -> None:
    publisher = ShardPublisher()
    for name in "xyz":
        publisher.add_shard(shard_of(name, b"a:1"))
    publisher.rows.follow(["a", "b"])
    changes = iter(
        (lambda: publisher.del_shard("z"), lambda: publisher.rows.follow(["a"]), nothing, nothing)
    )

    def change() -> None:
        next(changes)()

    publisher.rows.fill([2, 1, 0, 7], change)
    assert publisher.rows.gather(array("I", [0, 1]), ["a"], NOW) is not None
    publisher.rows.follow([])
    publisher.rows.fill([0], nothing)
    assert publisher.rows.gather(array("I", [0]), [], NOW) is None


@needs_native
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("write_row", (bytearray(18), 1, b"a:1", (b"a",), b"\1", 1.0)),
        ("write_row", (bytearray(18), -1, b"a:1", (b"a",), b"\1", 1.0)),
        ("write_row", (bytearray(17), 0, b"a:1", (b"a",), b"\1", 1.0)),
        ("write_row", (bytes(18), 0, b"a:1", (b"a",), b"\1", 1.0)),
        ("write_row", (bytearray(18), 0, "a:1", (b"a",), b"\1", 1.0)),
        ("write_row", (bytearray(18), 0, b"a:1", [b"a"], b"\1", 1.0)),
        ("write_row", (bytearray(18), 0, b"a:1", (b"a",), b"", 1.0)),
        ("write_row", (bytearray(18), 0, b"a:1", (b"a",) * 65, b"\1" * 65, 1.0)),
        ("write_row", (bytearray(18), "0", b"a:1", (b"a",), b"\1", 1.0)),
        ("write_row", (bytearray(18), 0, b"a:1", (b"a",), b"\1", "1")),
        ("write_row", (bytearray(18), 0, b"a:1", (b"a",), b"\1")),
        ("gather_rows", (bytearray(17), bytearray(1), 1, bytes(4), b"\0", 1.0)),
        ("gather_rows", (bytes(18), bytearray(1), 1, bytes(4), b"\0", 1.0)),
        ("gather_rows", (bytearray(18), bytearray(), 1, bytes(4), b"\0", 1.0)),
        ("gather_rows", (bytearray(18), bytes(1), 1, bytes(4), b"\0", 1.0)),
        ("gather_rows", (bytearray(18), bytearray(1), 1, bytes(5), b"\0", 1.0)),
        ("gather_rows", (bytearray(18), bytearray(1), 1, bytes(4), b"\1", 1.0)),
        ("gather_rows", (bytearray(18), bytearray(1), -1, bytes(4), b"", 1.0)),
        ("gather_rows", (bytearray(18), bytearray(1), 65, bytes(4), b"\0", 1.0)),
    ],
    ids=str,
)
def test_native_functions_raise_on_arguments_that_do_not_fit(
    function: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises((TypeError, ValueError)):
        getattr(native, function)(*arguments)


@needs_native
def test_rows_that_do_not_exist_are_not_filled() -> None:
    assert native is not None
    rows = bytearray(18)
    native.write_row(rows, 0, b"a:1", (b"a",), b"\1", 1.0)
    for position in (1, 2**32 - 1):
        packed = array("I", [0, position]).tobytes()
        assert native.gather_rows(rows, bytearray(1), 1, packed, b"\0", 1.0) is None
