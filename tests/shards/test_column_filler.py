"""Columns of many shards are filled with the same bytes natively and in Python."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.info.columns import ABSENT, FRACTION, INTEGER, OTHER, Column
from zinfo.native.loader import native
from zinfo.shards import column_filler
from zinfo.shards.column_filler import ColumnFiller
from zinfo.shards.shard import STATES, RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot

needs_native = pytest.mark.skipif(
    native is None,
    reason="of the native part itself: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON",
)

NOW = 1000.0
NAMES = ("a", "b", "c", "d", "module")
LINES = (b"a:1", b"a:-2", b"b:0.5", b"b:x", b"c:7", b"c:18446744073709551615", b"d:1e+06", b"# x")
replies = st.lists(st.sampled_from(LINES), min_size=1, max_size=5).map(b"\r\n".join)


def shard_of(raw: bytes | None, state: ShardState = ShardState.UP, age: float = 1.5) -> RedisShard:
    shard = RedisShard("s", "redis://127.0.0.1:1")
    shard.state = state
    if raw is not None:
        shard._snapshot = (
            Snapshot(raw, 1, 5.0, NOW - age)
            if raw
            else Snapshot.from_fields({"a": 1}, 1, 5.0, NOW - age)
        )
    return shard


def filled(shards: list[RedisShard | None], names: tuple[str, ...], part: int = 99) -> list[Any]:
    """Return all arrays, filled with some shards at a time."""
    columns = {name: Column() for name in names}
    ages, states = bytearray(), bytearray()
    filler = ColumnFiller(columns, ages, states)
    snapshots: list[Snapshot | None] = []
    while len(snapshots) < len(shards):
        found = filler.fill(shards[len(snapshots) : len(snapshots) + part], NOW)
        assert found
        snapshots += found
    assert snapshots == [shard.snapshot if shard else None for shard in shards]
    arrays = [(column.values, column.marks) for column in columns.values()]
    return [ages, states, *arrays]


@given(
    st.lists(
        st.none()
        | st.builds(
            shard_of,
            st.none() | st.just(b"") | replies,
            st.sampled_from(STATES),
            st.sampled_from((0.0, 1.5, -1.0, 1e9)),
        ),
        max_size=5,
    ),
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple),
    st.integers(1, 3),
)
@settings(max_examples=examples(400))
def test_native_code_and_python_fill_the_same_bytes(
    shards: list[RedisShard | None], names: tuple[str, ...], part: int
) -> None:
    natively = filled(shards, names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column_filler, "native", None)
        assert filled(shards, names, part) == natively


def test_each_shard_has_its_items() -> None:
    shards = [
        shard_of(b"a:7\nb:0.5\nmodule:x", ShardState.BUSY),
        shard_of(None, ShardState.NEW),
        None,
        shard_of(b"", ShardState.UP, age=-5.0),
    ]
    ages, states, a, b, module = filled(shards, ("a", "b", "module"))
    assert struct.unpack("<4d", ages) == (1.5, math.inf, math.inf, 0.0)
    assert [STATES[number] for number in states] == ["busy", "new", "down", "up"]
    assert a == (struct.pack("<4q", 7, 0, 0, 0), bytes([INTEGER, ABSENT, ABSENT, OTHER]))
    assert b == (struct.pack("<4d", 0.5, 0, 0, 0), bytes([FRACTION, ABSENT, ABSENT, OTHER]))
    assert module == (bytes(32), bytes([OTHER, ABSENT, ABSENT, OTHER]))


def test_large_replies_are_read_a_few_at_a_time() -> None:
    shards: list[RedisShard | None] = [shard_of(b"a:1\n" + b"x" * (3 << 20)) for _ in range(5)]
    states = bytearray()
    filler = ColumnFiller({"a": Column()}, bytearray(), states)
    count = len(filler.fill(shards, NOW))
    assert count == len(states) == (5 if native is None else 1)


@needs_native
def test_the_native_function_raises_on_arguments_that_do_not_fit() -> None:
    assert native is not None
    shard = shard_of(b"a:1")

    def call(
        fields: tuple[Any, ...] = ((b"a",), b"\1"),
        ages: Any = None,
        first: int = 0,
        values: Any = None,
        shards: Any = None,
    ) -> list[Any]:
        arrays = (
            bytearray(8) if ages is None else ages,
            bytearray(1),
            (bytearray(8),) if values is None else values,
            (bytearray(1),),
        )
        assert native is not None
        return native.fill_columns(
            [shard] if shards is None else shards, fields, arrays, STATES, NOW, first
        )

    assert call() == [shard.snapshot]
    for wrong in (
        {"ages": bytes(8)},
        {"ages": bytearray(7)},
        {"first": 1},
        {"first": -1},
        {"values": ()},
        {"values": (b"12345678",)},
        {"values": (bytearray(),)},
        {"fields": ((b"a",), b"")},
        {"fields": ((b"a",) * 65, b"\1" * 65)},
        {"fields": ((b"a", b"b"), b"\1\1")},
        {"shards": [object()]},
        {"shards": (shard,)},
    ):
        with pytest.raises((TypeError, ValueError, AttributeError)):
            call(**wrong)
