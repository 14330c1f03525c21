"""Bars made of characters."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.top.glyphs import FANCY, PLAIN
from zinfo.views.sparklines import downsample, draw_bars, draw_sparkline, maximum, peak

BARS = FANCY.bars
NAN = math.nan


def same(one: list[float], other: list[float]) -> bool:
    return [str(float(value)) for value in one] == [str(float(value)) for value in other]


def test_a_line_of_bars_goes_from_the_lowest_to_the_full_one() -> None:
    assert draw_bars([1, 2, 3, 4, 5, 6, 7, 8], 1, BARS) == ["▁▂▃▄▅▆▇█"]
    assert draw_bars([0, 7], 1, PLAIN.bars) == ["_#"]


def test_no_value_is_an_empty_place_and_zero_is_not() -> None:
    assert draw_bars([NAN, 0, NAN], 1, BARS) == [" ▁ "]
    assert draw_bars([0, 0], 1, BARS) == ["▁▁"]


def test_the_full_scale_can_be_greater_than_every_value() -> None:
    assert draw_bars([0.5], 1, BARS, full_scale=1.0) == ["▄"]


def test_a_plot_of_several_lines_stacks_bars() -> None:
    assert draw_bars([0, 0.5, 1], 2, BARS, full_scale=1.0) == ["  █", "▁██"]
    assert draw_bars([0, 1], 2, BARS, full_scale=2.0) == ["  ", "▁█"]


def test_fewer_values_than_columns_are_at_the_right() -> None:
    assert same(downsample([1, 2], 0, 4), [NAN, NAN, 1, 2])


def test_a_column_is_the_mean_of_its_values() -> None:
    assert same(downsample([1, 3, 5, 7], 3, 2), [2, 6])
    assert same(downsample([1, NAN, NAN, NAN], 3, 2), [1, NAN])


def test_a_column_can_be_the_peak_of_its_values() -> None:
    assert same(downsample([1, 3, NAN, 7], 3, 2, peak), [3, 7])
    assert same(downsample([NAN, NAN, 1, 1], 3, 2, peak), [NAN, 1])


def test_columns_move_to_the_left_as_they_are() -> None:
    """With each step only the newest column changes, until it is full and the next one begins."""
    story = [float(number % 7) for number in range(100)]
    before: list[float] = []
    for newest in range(40, 60):
        columns = downsample(story[newest - 19 : newest + 1], newest, 5)
        begins = newest % 4 == 0
        if before and begins:
            assert columns[1:-1] == before[2:]
        elif before:
            assert columns[1:-1] == before[1:-1]
        before = columns


def test_no_room_shows_nothing() -> None:
    assert downsample([1, 2], 1, 0) == []
    assert draw_bars([], 1, BARS) == [""]


def test_the_maximum_of_no_values_is_none() -> None:
    assert maximum([NAN]) is None
    assert maximum([NAN, 2, 1]) == 2


@given(
    st.lists(st.floats(0, 1e18) | st.just(NAN), max_size=300),
    st.integers(0, 10_000),
    st.integers(1, 120),
    st.integers(1, 8),
)
@settings(max_examples=examples(200))
def test_a_plot_is_exactly_as_large_as_it_should_be(
    values: list[float], newest: int, width: int, height: int
) -> None:
    lines = draw_bars(downsample(values, newest, width), height, BARS)
    assert [len(line) for line in lines] == [width] * height
    assert set("".join(lines)) <= set(BARS) | {" "}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], ""),
        ([math.nan, math.inf], "  "),
        ([1000, 1001, 1002], "_=#"),
        ([5, 5, math.nan, 5], "-- -"),
        ([0, 0, 0], "---"),
        ([-1, 1], "_#"),
    ],
)
def test_a_sparkline_is_scaled_by_its_own_least_and_greatest_value(
    values: list[float], text: str
) -> None:
    assert draw_sparkline(values, "_-=#") == text
