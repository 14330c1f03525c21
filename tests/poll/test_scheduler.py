"""When the timetable begins what is due, by a clock and a timer that the test makes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from zinfo.poll import scheduler
from zinfo.poll.scheduler import NEVER, PollScheduler

EARLY = 0.0003  # seconds that a timer of libev may fire before its time
BEGIN = 1000.0


class Loop:
    """An event loop's timer, and its clock, on which only that timer makes time pass."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.wakes = 0
        self._seconds = 0.0
        self._callback: Callable[[], None] | None = None

    def timer(self, seconds: float) -> Loop:
        """Make the timer; there is one at a time."""
        self._seconds = seconds
        return self

    def start(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def close(self) -> None:
        self._callback = None

    def run(self, until: float) -> None:
        """Have the timer fire, a little early now and then, until that time."""
        while self.now < until:
            callback = self._callback
            assert callback is not None, "the timetable sleeps for ever"
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
    """Have so many items begun once a second each; return by how much each was late, in order."""
    late: list[float] = []
    failed: list[BaseException] = []

    def begin(item: Item, now: float, behind: float) -> None:
        late.append(behind)
        poll_scheduler.set_deadline(item, now, 1.0)
        item.deadline = NEVER
        poll_scheduler.schedule(item, now, 1.0)

    def overdue(item: Any) -> None:
        raise AssertionError(f"{item} was done at once")

    poll_scheduler: PollScheduler[Item] = PollScheduler(begin, overdue, failed.append)
    for index in range(items):
        poll_scheduler.schedule(Item(), BEGIN, (index + 0.5) / items)
    loop.run(BEGIN + seconds)
    poll_scheduler.close()
    assert not failed
    return sorted(late)


def test_where_many_are_due_each_begins_within_a_tick(loop: Loop) -> None:
    late = lateness(loop, items=5000, seconds=4)
    assert len(late) == pytest.approx(4 * 5000, rel=0.02)
    assert late[0] >= 0
    assert late[-1] < 0.011


def test_where_few_are_due_they_are_begun_together_forty_times_a_second(loop: Loop) -> None:
    late = lateness(loop, items=500, seconds=4)
    assert len(late) == pytest.approx(4 * 500, rel=0.02)
    assert 0.010 < late[-1] < 0.036
    assert loop.wakes < 4 * 45


def test_no_more_are_begun_than_there_is_room_for_and_the_rest_in_order(loop: Loop) -> None:
    begun: list[Any] = []
    rooms = [0.0, 2.0, 0.0, 1.0]

    def begin(item: Item, _now: float, _late: float) -> None:
        begun.append(item)

    def room() -> float:
        return rooms.pop(0) if rooms else NEVER

    poll_scheduler: PollScheduler[Any] = PollScheduler(begin, begin_nothing, raise_it, room)
    items = [Item() for _ in range(5)]
    for item in items:
        poll_scheduler.schedule(item, BEGIN, 0)
    counts = []
    while rooms:
        loop.run(loop.now + 0.000001)
        counts.append(len(begun))
    assert counts == [0, 2, 2, 3]
    loop.run(loop.now + 0.000001)
    poll_scheduler.close()
    assert begun == items


def begin_nothing(item: Any) -> None:
    raise AssertionError(f"{item} is not overdue")


def raise_it(error: BaseException) -> None:
    raise error
