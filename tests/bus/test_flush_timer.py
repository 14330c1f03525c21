"""The end of a tick."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gevent
import pytest

from tests.waiting import wait_until
from zinfo.bus import flush_timer
from zinfo.bus.flush_timer import FlushTimer


class Flushes:
    """Counts calls, and says that one call has not sent all."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.unfinished = 0
        self.error: Exception | None = None
        self.reported: list[BaseException] = []

    def flush(self, _until: float) -> bool:
        """Note a call."""
        self.at.append(time.monotonic())
        if self.error is not None:
            raise self.error
        self.unfinished -= 1
        return self.unfinished < 0

    def wait(self, number: int) -> None:
        """Wait for so many calls."""
        wait_until(lambda: len(self.at) >= number, what="a flush", sleep=gevent.sleep)


@pytest.fixture
def flushes() -> Flushes:
    return Flushes()


@pytest.fixture
def timer(flushes: Flushes) -> Iterator[FlushTimer]:
    timer = FlushTimer(flushes.flush, flushes.reported.append)
    yield timer
    timer.close()


def test_each_tick_has_its_whole_length(monkeypatch: pytest.MonkeyPatch, flushes: Flushes) -> None:
    monkeypatch.setattr(flush_timer, "TICK", 0.1)
    timer = FlushTimer(flushes.flush, flushes.reported.append)
    timer.set()
    flushes.wait(1)
    for number in range(2, 5):
        timer.set()
        timer.set()
        flushes.wait(number)
    timer.close()
    assert len(flushes.at) == 4
    ticks = [after - before for before, after in zip(flushes.at[:-1], flushes.at[1:], strict=True)]
    assert min(ticks) > 0.05  # the event loop's own clock may be behind


def test_what_one_callback_does_not_send_is_sent_in_the_next(
    timer: FlushTimer, flushes: Flushes
) -> None:
    flushes.unfinished = 3
    timer.set()
    flushes.wait(4)


def test_an_error_is_reported_and_the_next_tick_comes(timer: FlushTimer, flushes: Flushes) -> None:
    flushes.error = OSError("full")
    timer.set()
    flushes.wait(1)
    assert flushes.reported == [flushes.error]
    timer.set()
    flushes.wait(2)


def test_a_closed_timer_sends_nothing(timer: FlushTimer, flushes: Flushes) -> None:
    timer.set()
    timer.close()
    gevent.sleep(0)
    gevent.sleep(0)
    assert not flushes.at
