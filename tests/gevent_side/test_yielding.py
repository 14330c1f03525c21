"""Long work yields to the event loop; low-priority work waits until it is idle, within bounds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import gevent
import gevent.monkey
import pytest

from zinfo.loop.yielding import _MAX_WAIT, CooperativeYield


@pytest.fixture
def busy_iterations() -> Iterator[list[float]]:
    """Run a callback in each iteration of the event loop; the times at which it ran."""
    loop: Any = gevent.get_hub().loop
    iterations: list[float] = []
    watcher = loop.idle(priority=loop.MAXPRI)
    watcher.start(lambda: iterations.append(time.monotonic()))
    yield iterations
    watcher.stop()
    watcher.close()


@pytest.fixture
def log() -> Iterator[list[object]]:
    """Note each iteration of the event loop."""
    loop: Any = gevent.get_hub().loop
    log: list[object] = []
    watcher = loop.check()
    watcher.start(lambda: log.append("iteration"))
    yield log
    watcher.stop()
    watcher.close()


def most_in_one_iteration(log: list[object]) -> int:
    """Return the largest number of entries between two iterations."""
    return max(len(list(entries)) for what, entries in groupby(log) if what != "iteration")


def work(yielder: CooperativeYield) -> float:
    """Work for longer than the interval, yield, and return the seconds that the yield took."""
    time.sleep(0.003)  # not gevent's: it blocks the loop, as work does
    started = time.monotonic()
    yielder.maybe_yield()
    return time.monotonic() - started


@pytest.fixture(autouse=True)
def real_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo gevent's patch of `time.sleep`."""
    monkeypatch.setattr(time, "sleep", gevent.monkey.get_original("time", "sleep"))


def test_short_work_does_not_yield(
    busy_iterations: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zinfo.loop.yielding.YIELD_INTERVAL", 60.0)  # also on a busy machine
    CooperativeYield().maybe_yield()
    CooperativeYield(low_priority=True).maybe_yield()
    assert not busy_iterations


def test_work_of_normal_priority_yields_for_one_iteration(busy_iterations: list[float]) -> None:
    yielder = CooperativeYield()
    for _ in range(10):
        work(yielder)
    assert 9 <= len(busy_iterations) <= 11


def test_low_priority_work_waits_ten_milliseconds_for_a_busy_loop(
    busy_iterations: list[float],
) -> None:
    assert work(CooperativeYield(low_priority=True)) >= 0.0099
    assert busy_iterations


def test_low_priority_work_in_an_idle_loop_does_not_wait_for_that_bound() -> None:
    """One of many tries shows it, however often a busy machine stops this process."""
    assert min(work(CooperativeYield(low_priority=True)) for _ in range(30)) < _MAX_WAIT


def test_all_low_priority_work_shares_one_slice_of_an_iteration(
    log: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zinfo.loop.yielding._MAX_WAIT", 60.0)  # also on a busy machine

    def answer() -> None:
        yielder = CooperativeYield(low_priority=True)
        for _ in range(3):
            yielder.maybe_yield()
            log.append("piece")
            time.sleep(0.0015)

    gevent.joinall([gevent.spawn(answer) for _ in range(20)])
    assert log.count("piece") == 60
    assert most_in_one_iteration(log) <= 3  # two that fit, and one that starts the next slice


def test_a_greenlet_killed_in_the_queue_does_not_hold_up_the_others() -> None:
    def answer() -> None:
        work(CooperativeYield(low_priority=True))
        done.append(1)

    done: list[int] = []
    greenlets = [gevent.spawn(answer) for _ in range(5)]
    gevent.sleep(0)
    gevent.killall(greenlets[1:4])
    gevent.joinall(greenlets)
    assert len(done) == 2
    work(CooperativeYield(low_priority=True))  # returns


def test_every_queued_greenlet_gets_its_slice_while_the_loop_is_busy(
    busy_iterations: list[float],
) -> None:
    def answer() -> None:
        yielder = CooperativeYield(low_priority=True)
        for _ in range(3):
            work(yielder)

    greenlets = [gevent.spawn(answer) for _ in range(10)]
    assert len(gevent.joinall(greenlets, timeout=60)) == 10
    assert busy_iterations
