"""A ring has the values that were written, natively and in Python."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.history import ring as ring_module
from zinfo.history.ring import ShardRing, write_numbers
from zinfo.history.series import COUNTERS, FIELDS, KINDS, NAMES, SERIES, numbers_of, values_of
from zinfo.native.loader import native

SIZE = 6
NUMBERS = {name: at for at, name in enumerate(SERIES)}

needs_native = pytest.mark.skipif(
    native is None,
    reason="of the native part itself: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON",
)

TEXTS = (
    "0",
    "1",
    "2",
    "7",
    "-1",
    "0.5",
    "1e+30",
    "1e+300",
    "x",
    "999999999999999999",
    "",
    "9" * 30,
)
lines = st.tuples(st.sampled_from([*FIELDS, "other"]), st.sampled_from(TEXTS))
replies = st.lists(lines, max_size=20).map(
    lambda pairs: "".join(f"{name}:{text}\r\n" for name, text in pairs).encode()
)
writes = st.lists(st.tuples(st.integers(1, 8), replies, st.sampled_from([0.0, 5.0])), max_size=12)


def unpacked(packed: bytes | None) -> list[float]:
    return [] if packed is None else [one for (one,) in struct.iter_unpack("<f", packed)]


def info(**fields: float) -> bytes:
    return "".join(f"{name}:{value}\r\n" for name, value in fields.items()).encode()


@pytest.fixture(params=["native", "python"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(ring_module, "native", None)
    elif native is None:
        pytest.skip("no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")


@needs_native
@settings(max_examples=examples(400), deadline=None)
@given(st.lists(st.tuples(st.integers(0, SIZE - 1), replies, st.sampled_from([0.0, 5.0]))))
def test_native_code_writes_the_same_bytes_as_python(
    points: list[tuple[int, bytes, float]],
) -> None:
    assert native is not None
    one, other = ShardRing(SIZE)._bytes, ShardRing(SIZE)._bytes
    for at, reply, seconds in points:
        native.write_point(one, SIZE, at, reply, NAMES, KINDS, seconds)
        write_numbers(other, SIZE, at, numbers_of(reply), seconds)
        assert one == other


@settings(max_examples=examples(200), deadline=None)
@given(writes, st.integers(-2, 40), st.integers(0, SIZE))
def test_a_ring_returns_the_newest_values_that_were_written(
    written: list[tuple[int, bytes, float]], last: int, count: int
) -> None:
    ring, step = ShardRing(SIZE), 0
    expected: dict[int, list[float]] = {}
    before = [math.nan] * len(COUNTERS)
    for more, reply, seconds in written:
        step += more
        ring.write(step, reply, seconds)
        numbers = numbers_of(reply)
        expected[step] = values_of(numbers, before, seconds)
        before = numbers[: len(COUNTERS)]
    for name, number in NUMBERS.items():
        found = ring.read(number, last, count)
        wanted = [
            expected[at][number] if at in expected and step - SIZE < at else math.nan
            for at in range(last - count + 1, last + 1)
        ]
        wanted = [value if abs(value) < 1e38 else math.nan for value in wanted]
        if found is None:
            assert all(map(math.isnan, wanted)), name
        else:
            assert unpacked(found) == pytest.approx(wanted, rel=1e-6, nan_ok=True), name


def test_a_series_of_equal_values_takes_no_memory_of_its_own() -> None:
    ring = ShardRing(100)
    empty = len(ring._bytes)
    for step in range(50):
        ring.write(step, info(used_memory=1000, evicted_keys=0), 5.0)
    assert len(ring._bytes) == empty
    ring.write(50, info(used_memory=2000, evicted_keys=0), 5.0)
    assert len(ring._bytes) == empty + 4 * 100
    assert unpacked(ring.read(NUMBERS["memory"], 50, 3)) == [1000, 1000, 2000]
    assert unpacked(ring.read(NUMBERS["evicted"], 50, 3)) == [0, 0, 0]
    assert ring.read(NUMBERS["lag"], 50, 3) is None


def test_steps_that_were_left_out_have_no_value() -> None:
    ring = ShardRing(SIZE)
    ring.write(1, info(used_memory=1), 0)
    ring.write(2, info(used_memory=2), 0)
    ring.write(5, info(used_memory=5), 0)
    assert unpacked(ring.read(NUMBERS["memory"], 5, 5)) == pytest.approx(
        [1, 2, math.nan, math.nan, 5], nan_ok=True
    )


def test_the_newest_value_is_repeated_for_earlier_steps() -> None:
    ring = ShardRing(SIZE)
    ring.write(1, info(used_memory=1, connected_clients=3), 0)
    ring.write(4, info(used_memory=4, connected_clients=3), 0)
    ring.repeat(2)
    assert unpacked(ring.read(NUMBERS["memory"], 4, 4)) == [1, 4, 4, 4]
    assert unpacked(ring.read(NUMBERS["clients"], 4, 4)) == [3, 3, 3, 3]


@pytest.mark.parametrize("first", [3, 1, -20])
def test_a_value_is_repeated_across_the_end_of_the_ring(first: int) -> None:
    ring = ShardRing(SIZE)
    for step in (0, 1, 9):
        ring.write(step, info(used_memory=step), 0)
    ring.repeat(first)
    ring.write(10, info(used_memory=10), 0)
    found = unpacked(ring.read(NUMBERS["memory"], 10, SIZE))
    assert found == [9] * (SIZE - 1) + [10]


@pytest.mark.parametrize(
    ("last", "held", "expected"),
    [
        (2, 1, [1, 2]),
        (3, 1, [2, 2]),
        (4, 1, [2, math.nan]),
        (5, 1, [math.nan, math.nan]),
        (5, 9, [2, 2]),
        (9, 9, [2, 2]),
        (4, 0, [math.nan, math.nan]),
    ],
)
def test_the_newest_value_is_held_for_some_steps(
    last: int, held: int, expected: list[float]
) -> None:
    ring = ShardRing(SIZE)
    ring.write(1, info(used_memory=1), 0)
    ring.write(2, info(used_memory=2), 0)
    found = unpacked(ring.read(NUMBERS["memory"], last, 2, held))
    assert found == pytest.approx(expected, nan_ok=True)


@needs_native
@pytest.mark.parametrize(
    ("ring", "size", "at"),
    [
        (bytearray(), 6, 0),
        (bytearray(103), 0, 0),
        (ShardRing(6)._bytes, 6, 6),
        (ShardRing(6)._bytes, 6, -1),
        (ShardRing(6)._bytes, 5, 0),
        (ShardRing(6)._bytes, 1 << 62, 0),
        (bytearray(104 + 6), 6, 0),  # its series have a place that it does not have
        (b"", 6, 0),
    ],
)
def test_native_code_refuses_what_is_no_ring(ring: bytearray, size: int, at: int) -> None:
    assert native is not None
    with pytest.raises(ValueError, match="ring"):
        native.write_point(ring, size, at, b"", NAMES, KINDS, 0.0)
    with pytest.raises(TypeError):
        native.write_point(ring)  # type: ignore[call-arg] # the point of this test
    with pytest.raises(ValueError, match="fields"):
        native.write_point(ShardRing(6)._bytes, 6, 0, b"", NAMES[:2], KINDS[:2], 0.0)
