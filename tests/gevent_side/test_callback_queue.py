"""What is over the bound of one turn of the event loop waits for the next, in order."""

from __future__ import annotations

import math
import time
from functools import partial

import gevent
import pytest

from tests.waiting import wait_until
from zinfo.loop.callback_queue import Turn

LONG = 0.02
"""Seconds; more than a turn may take."""


def no_exception(error: BaseException) -> None:
    """Nothing of this is to raise."""
    raise AssertionError from error


def work(seconds: float = LONG) -> None:
    """Something that takes a whole turn."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def test_a_turn_is_over_when_it_was_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "zinfo.loop.callback_queue._LONGEST", 0.3
    )  # a busy machine may take some itself
    turn = Turn(no_exception)
    seen = []

    def look() -> None:
        seen.append(turn.is_over())
        work(0.4)
        seen.append(turn.is_over())

    timer = gevent.get_hub().loop.timer(0)
    timer.start(look)
    wait_until(lambda: len(seen) == 2)
    timer.close()
    assert seen == [False, True]


def test_what_is_postponed_comes_in_order_and_lets_others_have_their_turn_between() -> None:
    turn = Turn(no_exception)
    done: list[object] = []

    def piece(number: int) -> None:
        done.append(number)
        work()

    ticks = gevent.get_hub().loop.timer(0.001, 0.001)
    ticks.start(lambda: done.append("tick"))
    for number in range(3):
        turn.postpone(partial(piece, number))
    assert turn.is_over()
    wait_until(lambda: 2 in done)
    ticks.close()
    assert [entry for entry in done if entry != "tick"] == [0, 1, 2]
    assert "tick" in done[done.index(0) : done.index(1)]
    assert "tick" in done[done.index(1) : done.index(2)]


def test_while_some_wait_there_is_room_for_half_as_many_as_had_their_turn() -> None:
    turn = Turn(no_exception)
    rooms = []

    def piece() -> None:
        rooms.append(turn.room())

    assert turn.room() == math.inf
    for _ in range(9):
        turn.postpone(piece)
    assert turn.room() == 0
    wait_until(lambda: len(rooms) == 9)
    # Of those before it, of itself, and of the half that was left over; the last one waits no more.
    assert rooms == [0, 1, 0, 1, 0, 1, 0, 1, math.inf]
    assert turn.room() == math.inf


def test_room_is_of_what_was_done_while_some_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zinfo.loop.callback_queue._LONGEST", 0.3)  # all in one turn
    turn = Turn(no_exception)
    done: list[float] = []
    for _ in range(10):
        turn.postpone(partial(done.append, 0.0))
    wait_until(lambda: len(done) == 10)
    assert turn.room() == math.inf
    turn.postpone(lambda: None)
    assert turn.room() == 0, "those ten are long gone"


def test_an_exception_is_reported_and_stops_nothing() -> None:
    reported: list[BaseException] = []
    turn = Turn(reported.append)
    done = []

    def fail() -> None:
        raise ValueError("no luck")

    turn.postpone(fail)
    turn.postpone(lambda: done.append(1))
    wait_until(lambda: done)
    assert [str(error) for error in reported] == ["no luck"]


def test_nothing_comes_after_the_end() -> None:
    turn = Turn(no_exception)
    done = []
    turn.postpone(lambda: done.append(1))
    turn.close()
    gevent.sleep(LONG)  # a proof of absence
    assert not done
