"""The ring buffer of the last minutes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.top.history import MEANS, STEP, STEPS, History
from zinfo.views.sparklines import downsample


def known(values: list[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def test_there_is_a_value_for_each_step_and_the_newest_is_last() -> None:
    history = History()
    for second in range(1000, 1003):
        history.add(second, second)
    values = history.values(1002)
    assert len(values) == STEPS
    assert values[-3:] == [1000, 1001, 1002]
    assert known(values) == [1000, 1001, 1002]


def test_of_several_values_in_a_step_the_last_one_counts() -> None:
    history = History()
    history.add(1, 1000.1)
    history.add(2, 1000.9)
    assert known(history.values(1000.9)) == [2]


def test_a_value_that_holds_since_the_last_one_fills_the_steps_between() -> None:
    history = History()
    history.add(1, 1000)
    history.add(2, 1003, since=1000)
    assert known(history.values(1003)) == [1, 2, 2, 2]


def test_a_time_without_a_value_is_a_gap() -> None:
    history = History()
    history.add(1, 1000)
    history.add(2, 1003)
    values = history.values(1003)[-4:]
    assert [math.isnan(value) for value in values] == [False, True, True, False]


def test_the_newest_value_is_repeated_for_the_hold_time_and_no_longer() -> None:
    history = History()
    history.add(1, 1000)
    assert known(history.values(1002, hold=2.0)) == [1, 1, 1]
    assert known(history.values(1003, hold=2.0)) == [1, 1, 1]
    assert math.isnan(history.values(1003, hold=2.0)[-1])


def test_after_a_long_time_nothing_is_left() -> None:
    history = History()
    history.add(1, 1000)
    assert known(history.values(1000 + STEPS * STEP)) == []
    history.add(2, 1_000_000, since=1000)
    assert known(history.values(1_000_000)) == [2] * STEPS


def test_an_empty_history_has_no_value() -> None:
    assert known(History().values(5)) == []


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 9)), max_size=30), st.floats(0, 400))
@settings(max_examples=examples(200))
def test_values_read_are_those_written_in_the_last_steps(
    writes: list[tuple[float, int]], more: float
) -> None:
    history, now = History(), 10_000.0
    expected: dict[int, float] = {}
    for wait, value in writes:
        now += wait
        history.add(value, now)
        expected[int(now)] = float(value)
    now += more
    values = history.values(now)
    assert len(values) == STEPS
    for second, found in enumerate(values, int(now) - STEPS + 1):
        wanted = expected.get(second)
        assert math.isnan(found) if wanted is None else found == wanted


@given(
    st.lists(st.tuples(st.floats(0, 40), st.floats(0, 9), st.booleans()), max_size=60),
    st.floats(0, 40),
    st.floats(0, 20),
)
@settings(max_examples=examples(100), deadline=None)
def test_means_are_those_of_the_values(
    added: list[tuple[float, float, bool]], later: float, hold: float
) -> None:
    """They are read after each value, too, so that what is remembered of them is used."""
    history, now = History(), 1000.0
    for passed, value, holds in added:
        history.add(value, now + passed, since=now if holds else None)
        now += passed
        history.means(now, hold)
    now += later
    size = STEPS // MEANS
    expected = downsample(history.values(now, hold), int(now // STEP), MEANS)
    assert len(expected) == MEANS
    begun = int(now // STEP) % size + 1  # the oldest of the values' periods may be cut
    found = history.means(now, hold)
    for at, (one, other) in enumerate(zip(found, expected, strict=True)):
        if begun == size or at > 0:
            assert one == pytest.approx(other, nan_ok=True)


def test_a_mean_changes_until_its_period_is_over() -> None:
    history = History()
    history.add(1.0, 1500.0)
    history.add(2.0, 1500.5)
    assert history.means(1500.5)[-1] == 2.0
    history.add(4.0, 1501.0)
    assert history.means(1501.0)[-1] == 3.0
    history.add(9.0, 1516.0)
    assert history.means(1516.0)[-2:] == [3.0, 9.0]
