"""When the scheduler starts items, with a clock and a timer of the test."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from zinfo.poll import scheduler
from zinfo.poll.scheduler import NEVER, PollScheduler

EARLY = 0.0003  # seconds by which a timer of libev may fire early
START = 1000.0  # monotonic clock at the start of a test


class Loop:
    """A fake event loop with one timer, and a clock that only this timer advances."""

    def __init__(self) -> None:
        self.now = START
        self.wakes = 0
        self._seconds = 0.0
        self._callback: Callable[[], None] | None = None

    def timer(self, seconds: float) -> Loop:
        """Return the timer; there is one at a time."""
        self._seconds = seconds
        return self

    def start(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def close(self) -> None:
        self._callback = None

    def run(self, until: float) -> None:
        """Fire the timer, sometimes a little early, until the clock reads `until`."""
        while self.now < until:
            callback = self._callback
            assert callback is not None, "the scheduler has set no timer"
            self.wakes += 1
            early = EARLY if self.wakes % 3 else 0.0
            self.now += max(self._seconds - early, 0.00001)
            callback()


class Item:
    def __init__(self) -> None:
        self.due = self.deadline = NEVER
        self.deadline_queued = False


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(gevent, "get_hub", lambda: SimpleNamespace(loop=loop))
    monkeypatch.setattr(scheduler, "time", SimpleNamespace(monotonic=lambda: loop.now))
    return loop


def lateness(loop: Loop, items: int, seconds: float) -> list[float]:
    """Start each of `items` once a second; return the sorted lateness of all starts."""
    late: list[float] = []
    failed: list[BaseException] = []

    def start(item: Item, now: float, lateness: float) -> None:
        late.append(lateness)
        poll_scheduler.set_deadline(item, now, 1.0)
        item.deadline = NEVER
        poll_scheduler.schedule(item, now, 1.0)

    def time_out(item: Any) -> None:
        raise AssertionError(f"{item} timed out, although it was done at once")

    poll_scheduler: PollScheduler[Item] = PollScheduler(start, time_out, failed.append)
    for index in range(items):
        poll_scheduler.schedule(Item(), START, (index + 0.5) / items)
    loop.run(START + seconds)
    poll_scheduler.close()
    assert not failed
    return sorted(late)


def test_many_items_are_each_started_within_a_tick(loop: Loop) -> None:
    late = lateness(loop, items=5000, seconds=4)
    assert len(late) == pytest.approx(4 * 5000, rel=0.02)
    assert late[0] >= 0
    assert late[-1] < 0.011


def test_few_items_are_started_together_at_most_forty_times_a_second(loop: Loop) -> None:
    late = lateness(loop, items=500, seconds=4)
    assert len(late) == pytest.approx(4 * 500, rel=0.02)
    assert 0.010 < late[-1] < 0.036
    assert loop.wakes < 4 * 45


def test_no_more_items_are_started_than_the_capacity_allows_and_the_rest_in_order(
    loop: Loop,
) -> None:
    started: list[Any] = []
    capacities = [0.0, 2.0, 0.0, 1.0]

    def start(item: Item, _now: float, _lateness: float) -> None:
        started.append(item)

    def capacity() -> float:
        return capacities.pop(0) if capacities else NEVER

    poll_scheduler: PollScheduler[Any] = PollScheduler(start, no_timeout, raise_it, capacity)
    items = [Item() for _ in range(5)]
    for item in items:
        poll_scheduler.schedule(item, START, 0)
    counts = []
    while capacities:
        loop.run(loop.now + 0.000001)
        counts.append(len(started))
    assert counts == [0, 2, 2, 3]
    loop.run(loop.now + 0.000001)
    poll_scheduler.close()
    assert started == items


def no_timeout(item: Any) -> None:
    raise AssertionError(f"{item} has no deadline")


def raise_it(error: BaseException) -> None:
    raise error
