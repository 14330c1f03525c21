"""Callbacks that do not fit into one iteration of the event loop run in later ones, in order."""

from __future__ import annotations

import math
import time
from functools import partial

import gevent
import pytest

from tests.waiting import wait_until
from zinfo.loop.callback_queue import CallbackQueue

LONG = 0.02
"""Seconds; more than the queue spends in one iteration."""


def no_exception(error: BaseException) -> None:
    """Fail: no callback of the test is to raise."""
    raise AssertionError from error


def work(seconds: float = LONG) -> None:
    """Keep the CPU busy for longer than an iteration's budget."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def test_the_budget_is_spent_after_long_work_in_one_iteration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # More than a busy machine takes by itself between two lines.
    monkeypatch.setattr("zinfo.loop.callback_queue.YIELD_INTERVAL", 0.3)
    queue = CallbackQueue(no_exception)
    seen = []

    def look() -> None:
        seen.append(queue.budget_spent())
        work(0.4)
        seen.append(queue.budget_spent())

    timer = gevent.get_hub().loop.timer(0)
    timer.start(look)
    wait_until(lambda: len(seen) == 2)
    timer.close()
    assert seen == [False, True]


def test_deferred_callbacks_run_in_order_and_other_watchers_run_between_them() -> None:
    queue = CallbackQueue(no_exception)
    done: list[object] = []

    def piece(number: int) -> None:
        done.append(number)
        work()

    ticks = gevent.get_hub().loop.timer(0.001, 0.001)
    ticks.start(lambda: done.append("tick"))
    for number in range(3):
        queue.defer(partial(piece, number))
    assert queue.budget_spent()
    wait_until(lambda: 2 in done)
    ticks.close()
    assert [entry for entry in done if entry != "tick"] == [0, 1, 2]
    assert "tick" in done[done.index(0) : done.index(1)]
    assert "tick" in done[done.index(1) : done.index(2)]


def test_while_callbacks_are_queued_the_capacity_is_half_of_those_completed() -> None:
    queue = CallbackQueue(no_exception)
    capacities = []

    def piece() -> None:
        capacities.append(queue.capacity())

    assert queue.capacity() == math.inf
    for _ in range(9):
        queue.defer(piece)
    assert queue.capacity() == 0
    wait_until(lambda: len(capacities) == 9)
    # A callback counts itself, those completed since the last call, and the half left over then. At
    # the last one, none is queued any more.
    assert capacities == [0, 1, 0, 1, 0, 1, 0, 1, math.inf]
    assert queue.capacity() == math.inf


def test_callbacks_completed_in_an_earlier_backlog_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zinfo.loop.callback_queue.YIELD_INTERVAL", 0.3)  # all in one iteration
    queue = CallbackQueue(no_exception)
    done: list[float] = []
    for _ in range(10):
        queue.defer(partial(done.append, 0.0))
    wait_until(lambda: len(done) == 10)
    assert queue.capacity() == math.inf
    queue.defer(lambda: None)
    assert queue.capacity() == 0, "those ten belong to the backlog before"


def test_an_exception_of_a_callback_is_reported_and_the_next_one_runs() -> None:
    reported: list[BaseException] = []
    queue = CallbackQueue(reported.append)
    done = []

    def fail() -> None:
        raise ValueError("no luck")

    queue.defer(fail)
    queue.defer(lambda: done.append(1))
    wait_until(lambda: done)
    assert [str(error) for error in reported] == ["no luck"]


def test_no_callback_runs_after_close() -> None:
    queue = CallbackQueue(no_exception)
    done = []
    queue.defer(lambda: done.append(1))
    queue.close()
    gevent.sleep(LONG)  # a proof of absence
    assert not done
