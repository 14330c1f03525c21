"""Long work lets others go first, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.monkey
import pytest

from zinfo.breath import Breath


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
