"""The timer wheel, with a clock of the test."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from zinfo.poll.timer_wheel import TimerWheel

TICK = 0.01


def test_an_empty_wheel_returns_nothing() -> None:
    wheel: TimerWheel[str] = TimerWheel(TICK)
    assert wheel.take(1e9) == []
    assert (wheel.next_time(), wheel.next_count()) == (math.inf, 0)


def test_items_expire_in_order_of_time() -> None:
    wheel: TimerWheel[str] = TimerWheel(TICK)
    wheel.add("late", 3)
    wheel.add("early", 1)
    wheel.add("later", 9)
    assert wheel.take(5) == ["early", "late"]
    assert math.isclose(wheel.next_time(), 9)
    assert wheel.next_count() == 1
    assert wheel.take(9 + TICK) == ["later"]


@given(st.lists(st.tuples(st.integers(), st.floats(0, 100)), max_size=60), st.floats(0, 1))
def test_each_item_expires_once_never_early_and_at_most_a_tick_late(
    items: list[tuple[int, float]], step: float
) -> None:
    wheel: TimerWheel[tuple[int, float]] = TimerWheel(TICK)
    for item in items:
        wheel.add(item, item[1])
    expired: list[tuple[int, float]] = []
    now, step = 0.0, step + TICK
    while now < 100 + 2 * step:
        assert now <= wheel.next_time() + step + TICK
        for item in wheel.take(now):
            assert item[1] <= now + 1e-9
            assert item[1] >= now - step - TICK - 1e-9
            expired.append(item)
        now += step
    assert sorted(expired) == sorted(items)
