"""Greenlets that share a part of each turn of the event loop."""

from __future__ import annotations

import time
from typing import Any

import gevent
import pytest
from gevent.pool import Group

from zinfo.loop.turn_share import Share, connecting_share

GREENLETS, PIECES = 40, 3


def work(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


class Turns:
    """Counts the turns of the event loop while it is entered."""

    def __init__(self) -> None:
        self.number = 0
        loop: Any = gevent.get_hub().loop
        self._watcher = loop.idle(priority=loop.MAXPRI)

    def __enter__(self) -> Turns:
        self._watcher.start(self._count)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._watcher.stop()
        self._watcher.close()

    def _count(self) -> None:
        self.number += 1


def test_many_that_are_ready_at_once_do_not_all_go_on_in_one_turn() -> None:
    share, pieces = Share(), []

    def connect(number: int) -> None:
        for piece in range(PIECES):
            share.take()
            pieces.append((turns.number, number, piece))
            work(0.001)

    with Turns() as turns:
        group = Group()
        for number in range(GREENLETS):
            group.spawn(connect, number)
        group.join()
    assert len(pieces) == GREENLETS * PIECES
    for turn in {turn for turn, *_ in pieces}:  # 2 ms of the share, and what begins within them
        assert sum(one == turn for one, *_ in pieces) <= 6
    for piece in range(PIECES):  # nobody is left behind
        assert sorted(number for _, number, one in pieces if one == piece) == list(range(GREENLETS))


def test_who_is_killed_while_it_waits_keeps_nobody_waiting() -> None:
    share, done = Share(), []

    def connect(number: int) -> None:
        share.take()
        work(0.003)
        done.append(number)

    greenlets = [gevent.spawn(connect, number) for number in range(6)]
    gevent.sleep(0)
    greenlets[3].kill()
    gevent.joinall(greenlets)
    assert done == [0, 1, 2, 4, 5]


def test_a_bound_of_time_ends_a_wait() -> None:
    share = Share()

    def hold(pieces: int) -> None:
        for _ in range(pieces):
            share.take()
            work(0.003)

    others = [gevent.spawn(hold, 10) for _ in range(20)]
    gevent.sleep(0)
    with pytest.raises(TimeoutError), gevent.Timeout(0.01, TimeoutError("too long")):
        hold(100)
    gevent.joinall(others)


def test_there_is_one_for_each_event_loop() -> None:
    assert connecting_share() is connecting_share()
    other = gevent.get_hub().threadpool.apply(connecting_share)
    assert other is not connecting_share()
