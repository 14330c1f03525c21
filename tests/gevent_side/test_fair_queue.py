"""Who begins something long goes ahead only where nobody else has the turn, or waits for one."""

from __future__ import annotations

import time

import gevent
import pytest

from tests.waiting import wait_until
from zinfo.loop.fair_queue import Line, line_here


def may_begin(line: Line) -> bool:
    """Begin something, and return whether it may go on."""
    return line.begin() > time.monotonic()


@pytest.fixture
def long_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a turn, and patience, longer than a busy machine takes between two lines of a test."""
    monkeypatch.setattr("zinfo.loop.fair_queue.LONGEST", 5.0)
    monkeypatch.setattr("zinfo.loop.fair_queue._PATIENCE", 5.0)


@pytest.mark.usefixtures("long_turns")
class TestLongTurns:
    def test_one_may_begin_in_a_turn(self) -> None:
        line = Line()
        assert may_begin(line)
        assert not may_begin(line)
        gevent.idle()
        assert may_begin(line)

    def test_nobody_may_begin_in_the_turn_of_one_who_waited(self) -> None:
        def wait() -> None:
            line.wait()
            began.append(may_begin(line))

        line, began = Line(), list[bool]()
        gevent.spawn(wait).join()
        assert began == [False]

    def test_nobody_may_begin_before_one_who_waits(self) -> None:
        line = Line()
        busy = line.hub.loop.idle(priority=line.hub.loop.MAXPRI)
        turns: list[int] = []
        busy.start(lambda: turns.append(1))  # so that no moment is quiet
        waiting = gevent.spawn(line.wait)
        wait_until(lambda: len(turns) > 3)
        assert not may_begin(line)
        busy.stop()
        busy.close()
        waiting.join()
        gevent.idle()
        assert may_begin(line)


def test_each_event_loop_has_a_line_of_its_own() -> None:
    def lines() -> list[Line]:
        found = [line_here(), line_here()]
        gevent.get_hub().destroy(destroy_loop=True)
        return [*found, line_here()]

    first, again, after = gevent.get_hub().threadpool.apply(lines)
    assert first is again
    assert len({id(line) for line in (line_here(), first, after)}) == 3
