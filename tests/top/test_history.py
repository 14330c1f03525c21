"""The ring buffers of the last minutes, and the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.client.updates import Value
from zinfo.top.history import SERIES, STEP, STEPS, History, step_at
from zinfo.top.series_numbers import series_numbers, summed

NONE = math.nan
OPS, MEMORY, HIT_RATIO, LAG = (SERIES.index(one) for one in ("ops", "memory", "hit_ratio", "lag"))


def numbers(**given: float) -> list[float]:
    return [given.get(name, NONE) for name in SERIES]


def columns(shards: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    return [[shard[number] for shard in shards] for number in range(len(SERIES))]


def ops(history: History, step: int, *, hold: bool = False) -> Sequence[float]:
    return history.values(OPS, step, hold=hold)


def known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def test_there_is_a_value_for_each_step_and_the_newest_is_last() -> None:
    history = History()
    for step in range(1000, 1003):
        history.add(numbers(ops=step), step)
    assert len(ops(history, 1002)) == STEPS
    assert ops(history, 1002)[-3:] == [1000, 1001, 1002]
    assert known(ops(history, 1002)) == [1000, 1001, 1002]


def test_of_several_values_in_a_step_the_last_one_counts() -> None:
    history = History()
    history.add(numbers(ops=1), 1000)
    history.add(numbers(ops=2), 1000)
    assert known(ops(history, 1000)) == [2]


def test_a_value_that_holds_since_the_last_one_fills_the_steps_between() -> None:
    history = History()
    history.add(numbers(ops=1), 1000)
    history.add(numbers(ops=2), 1003, first=1001)
    assert known(ops(history, 1003)) == [1, 2, 2, 2]


def test_a_time_without_a_value_is_a_gap() -> None:
    history = History()
    history.add(numbers(ops=1), 1000)
    history.add(numbers(ops=2), 1003)
    assert [math.isnan(one) for one in ops(history, 1003)[-4:]] == [False, True, True, False]


def test_the_newest_value_stands_for_the_steps_after_it_only_where_it_is_held() -> None:
    history = History()
    history.add(numbers(ops=1), 1000)
    assert known(ops(history, 1002, hold=True)) == [1, 1, 1]
    assert known(ops(history, 1002)) == [1]
    assert math.isnan(ops(history, 1002)[-1])


def test_after_a_long_time_nothing_is_left() -> None:
    history = History()
    history.add(numbers(ops=1), 1000)
    assert known(ops(history, 1000 + STEPS)) == []
    history.add(numbers(ops=2), 1_000_000, first=1001)
    assert known(ops(history, 1_000_000)) == [2] * STEPS


def test_series_have_the_number_of_their_last_step() -> None:
    history = History()
    history.add(numbers(ops=1, lag=7), step_at(1000.0))
    series = history.series(1000.0 + STEP)
    assert (series.step, series.newest) == (STEP, step_at(1000.0) + 1)
    assert known(series.ops) == [1]
    assert known(series.lag) == [7]
    assert known(series.memory) == known(History().series(5.0).ops) == []
    assert {len(getattr(series, name)) for name in SERIES} == {STEPS}


def test_only_series_that_have_had_a_value_take_memory() -> None:
    history = History()
    for step in range(1000, 1000 + 2 * STEPS):
        history.add(numbers(ops=1), step)
    assert sum(ring is not None for ring in history._rings) == 1
    assert max(ring.itemsize * len(ring) for ring in history._rings if ring) == 4 * STEPS


@given(
    st.lists(st.tuples(st.integers(0, 250), st.integers(0, 9)), max_size=30), st.integers(0, 250)
)
@settings(max_examples=examples(100))
def test_values_read_are_those_written_in_the_last_steps(
    writes: list[tuple[int, int]], more: int
) -> None:
    history, step = History(), 10_000
    expected: dict[int, float] = {}
    for wait, value in writes:
        step += wait
        history.add(numbers(ops=value), step)
        expected[step] = float(value)
    step += more
    for at, found in enumerate(ops(history, step), step - STEPS + 1):
        wanted = expected.get(at)
        assert math.isnan(found) if wanted is None else found == wanted


# --- what the daemon has


def test_an_empty_history_is_filled_with_what_the_daemon_has() -> None:
    history = History()
    history.fill({"ops": [1, NONE, 3], "no such series": [1]}, 1000)
    assert known(ops(history, 1000)) == [1, 3]
    assert ops(history, 1002)[-5] == 1
    history.add(numbers(ops=4), 1001)
    assert known(ops(history, 1001)) == [1, 3, 4]


def test_the_daemon_is_right_about_the_past_and_the_model_about_the_newest_steps() -> None:
    history = History()
    for step in range(998, 1003):
        history.add(numbers(ops=50), step)
    history.fill({"ops": [1, 2, NONE, 4]}, 1000)  # of 997 to 1000
    assert known(ops(history, 1002)) == [1, 2, 50, 4, 50, 50]
    history.fill({"ops": [7] * 20}, 1010)  # its clock is ahead
    assert known(ops(history, 1002)) == [7] * 11 + [50]


def test_a_step_between_those_of_daemon_and_model_is_no_gap() -> None:
    history = History()
    history.add(numbers(ops=5), 1002)
    history.fill({"ops": [1, 2]}, 1000)
    assert list(ops(history, 1002)[-4:]) == [1, 2, 2, 5]
    down = History()
    down.fill({"ops": [1, 2]}, 1000)
    assert known(ops(down, 1002)) == [1, 2]
    after = History()
    after.add(numbers(ops=5), 1003)
    after.fill({"ops": [1, 2]}, 1000)
    assert known(ops(after, 1003)) == [1, 2, 5], "it did not answer in two steps"


def test_more_than_there_is_room_for_is_left_out() -> None:
    history = History()
    history.add(numbers(ops=5), 2000)
    history.fill({"ops": list(range(5000))}, 1999)
    assert ops(history, 2000)[0] == 5000 - STEPS + 1
    assert ops(history, 2000)[-2:] == [4999, 5]
    history.fill({"ops": [1, 2]}, 10)
    assert len(known(ops(history, 2000))) == STEPS


# --- the numbers


@pytest.mark.parametrize(
    ("info", "rates", "expected"),
    [
        ({}, {}, {}),
        (
            {"instantaneous_ops_per_sec": 7, "used_memory": 5, "connected_clients": 2},
            {},
            {"ops": 7, "memory": 5, "clients": 2},
        ),
        (
            {"instantaneous_ops_per_sec": 7},
            {
                "total_commands_processed": 9.5, "keyspace_hits": 1.0, "keyspace_misses": 3.0,
                "total_net_input_bytes": 4.0, "total_net_output_bytes": 6.0, "evicted_keys": 0.0,
            },
            {"ops": 9.5, "hit_ratio": 0.25, "net_in": 4, "net_out": 6, "evicted": 0},
        ),
        ({}, {"keyspace_hits": 0.0, "keyspace_misses": 0.0}, {}),
        ({}, {"keyspace_hits": None, "keyspace_misses": 1.0}, {}),
        ({"used_memory": [1, 2], "connected_clients": "many"}, {}, {}),
        ({"master_last_io_seconds_ago": 3}, {}, {"lag": 3}),
        (
            {"master_last_io_seconds_ago": -1, "master_link_down_since_seconds": 60},
            {},
            {"lag": 60},
        ),
        ({"master_last_io_seconds_ago": -1}, {}, {}),
    ],
)  # fmt: skip
def test_numbers_are_unknown_where_an_info_does_not_have_them(
    info: dict[str, Value], rates: dict[str, float | None], expected: dict[str, float]
) -> None:
    found = dict(zip(SERIES, series_numbers(info, rates), strict=True))
    assert {name: value for name, value in found.items() if not math.isnan(value)} == expected


def test_together_memory_is_of_primaries_and_the_lag_is_the_greatest() -> None:
    shards = [
        numbers(ops=30, memory=5, hit_ratio=1.0),
        numbers(ops=10, memory=7, hit_ratio=0.5, lag=3),
        numbers(memory=7, lag=2),
    ]
    found = summed(columns(shards), [True, False, False])
    assert found[OPS] == 40
    assert found[MEMORY] == 5
    assert found[HIT_RATIO] == pytest.approx((30 * 1.0 + 10 * 0.5) / 40)
    assert found[LAG] == 3


def test_the_hit_ratio_of_idle_shards_is_their_mean() -> None:
    shards = [numbers(ops=0, hit_ratio=1.0), numbers(ops=0, hit_ratio=0.5)]
    found = summed(columns(shards), [True, True])
    assert found[HIT_RATIO] == pytest.approx(0.75)


@pytest.mark.parametrize("shards", [[], [numbers()]])
def test_what_no_shard_has_is_unknown(shards: list[list[float]]) -> None:
    found = summed(columns(shards), [True] * len(shards))
    assert len(found) == len(SERIES)
    assert known(found) == []
