"""Long work lets others go first, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import gevent
import gevent.monkey
import pytest

from zinfo.loop.yielding import Breath


@pytest.fixture
def busy_turns() -> Iterator[list[float]]:
    """Have something to do in each turn of the event loop; its times."""
    loop: Any = gevent.get_hub().loop
    turns: list[float] = []
    watcher = loop.idle(priority=loop.MAXPRI)
    watcher.start(lambda: turns.append(time.monotonic()))
    yield turns
    watcher.stop()
    watcher.close()


@pytest.fixture
def turns() -> Iterator[list[object]]:
    """Note each turn of the event loop."""
    loop: Any = gevent.get_hub().loop
    turns: list[object] = []
    watcher = loop.check()
    watcher.start(lambda: turns.append("turn"))
    yield turns
    watcher.stop()
    watcher.close()


def most_between(turns: list[object]) -> int:
    """Return how much was noted between two turns, at most."""
    return max(len(list(noted)) for what, noted in groupby(turns) if what != "turn")


def work(breath: Breath) -> float:
    """Work for as long as may be, take a breath, and return its seconds."""
    time.sleep(0.003)  # not gevent's: it holds the loop up, as work does
    begun = time.monotonic()
    breath.take()
    return time.monotonic() - begun


@pytest.fixture(autouse=True)
def real_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give `time.sleep` back what gevent took."""
    monkeypatch.setattr(time, "sleep", gevent.monkey.get_original("time", "sleep"))


def test_short_work_takes_no_breath(busy_turns: list[float]) -> None:
    Breath().take()
    Breath(patient=True).take()
    assert not busy_turns


def test_one_turn_of_others_is_enough_for_work_that_is_not_patient(
    busy_turns: list[float],
) -> None:
    breath = Breath()
    for _ in range(10):
        work(breath)
    assert 9 <= len(busy_turns) <= 11


def test_patient_work_lets_others_go_first_for_a_hundredth_of_a_second(
    busy_turns: list[float],
) -> None:
    assert work(Breath(patient=True)) >= 0.0099
    assert len(busy_turns) > 10


def test_patient_work_goes_on_at_once_where_nothing_else_is_to_be_done() -> None:
    assert min(work(Breath(patient=True)) for _ in range(10)) < 0.005


def test_all_patient_work_together_has_the_turn_of_one(turns: list[object]) -> None:
    def answer() -> None:
        breath = Breath(patient=True)
        for _ in range(3):
            breath.take()
            turns.append("piece")
            time.sleep(0.0015)

    gevent.joinall([gevent.spawn(answer) for _ in range(20)])
    assert turns.count("piece") == 60
    assert most_between(turns) <= 3  # two that fit, and one that began a turn anew


def test_who_is_killed_in_the_line_does_no_more_and_holds_up_nobody() -> None:
    def answer() -> None:
        work(Breath(patient=True))
        done.append(1)

    done: list[int] = []
    greenlets = [gevent.spawn(answer) for _ in range(5)]
    gevent.sleep(0)
    gevent.killall(greenlets[1:4])
    gevent.joinall(greenlets)
    assert len(done) == 2
    assert work(Breath(patient=True)) < 0.5


def test_nobody_in_the_line_waits_for_ever(busy_turns: list[float]) -> None:
    def answer() -> None:
        breath = Breath(patient=True)
        for _ in range(3):
            work(breath)

    greenlets = [gevent.spawn(answer) for _ in range(10)]
    assert len(gevent.joinall(greenlets, timeout=5)) == 10
    assert busy_turns
