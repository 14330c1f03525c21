"""Greenlets of one kind that share `YIELD_INTERVAL` seconds of an iteration of the event loop."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.monkey
import pytest
from gevent.pool import Group

from tests.waiting import wait_until
from zinfo.loop.yielding import FairQueue, fair_queue_of_hub

GREENLETS, PIECES = 40, 3


def work(seconds: float) -> None:
    """Keep the CPU busy, without a yield."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def can_start(queue: FairQueue) -> bool:
    """Start a slice, and return whether it has any time."""
    return queue.start_slice() > time.monotonic()


class IterationCounter:
    """Counts the iterations of the event loop while it is entered."""

    def __init__(self) -> None:
        self.number = 0
        loop: Any = gevent.get_hub().loop
        self._watcher = loop.idle(priority=loop.MAXPRI)

    def __enter__(self) -> IterationCounter:
        self._watcher.start(self._count)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._watcher.stop()
        self._watcher.close()

    def _count(self) -> None:
        self.number += 1


@pytest.fixture
def long_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make slices and waits longer than a busy machine takes between two lines of a test."""
    monkeypatch.setattr("zinfo.loop.yielding.YIELD_INTERVAL", 5.0)
    monkeypatch.setattr("zinfo.loop.yielding._MAX_WAIT", 5.0)


@pytest.mark.usefixtures("long_slices")
class TestStartOfASlice:
    def test_one_slice_starts_in_an_iteration(self) -> None:
        queue = FairQueue(pause=0.0)
        assert can_start(queue)
        assert not can_start(queue)
        gevent.idle()
        assert can_start(queue)

    def test_no_slice_starts_in_the_iteration_of_a_greenlet_that_waited(self) -> None:
        def wait() -> None:
            queue.wait_for_slice()
            started.append(can_start(queue))

        queue, started = FairQueue(pause=0.0), list[bool]()
        gevent.spawn(wait).join()
        assert started == [False]

    def test_no_slice_starts_while_a_greenlet_waits(self) -> None:
        queue = FairQueue(pause=0.0)
        busy = queue.hub.loop.idle(priority=queue.hub.loop.MAXPRI)
        iterations: list[int] = []
        busy.start(lambda: iterations.append(1))  # the loop is never idle
        waiting = gevent.spawn(queue.wait_for_slice)
        wait_until(lambda: len(iterations) > 3)
        assert not can_start(queue)
        busy.stop()
        busy.close()
        waiting.join()
        gevent.idle()
        assert can_start(queue)


def test_many_ready_greenlets_are_spread_over_several_iterations() -> None:
    queue, pieces = FairQueue(), []

    def connect(number: int) -> None:
        for piece in range(PIECES):
            queue.acquire_slice()
            pieces.append((iterations.number, number, piece))
            work(0.001)

    with IterationCounter() as iterations:
        group = Group()
        for number in range(GREENLETS):
            group.spawn(connect, number)
        group.join()
    assert len(pieces) == GREENLETS * PIECES
    for iteration in {iteration for iteration, *_ in pieces}:  # 2 ms, and what starts within them
        assert sum(one == iteration for one, *_ in pieces) <= 6
    for piece in range(PIECES):  # no greenlet is left behind
        assert sorted(number for _, number, one in pieces if one == piece) == list(range(GREENLETS))


def test_a_greenlet_killed_in_the_queue_does_not_hold_up_the_others() -> None:
    queue, done = FairQueue(), []

    def connect(number: int) -> None:
        queue.acquire_slice()
        work(0.003)
        done.append(number)

    greenlets = [gevent.spawn(connect, number) for number in range(6)]
    gevent.sleep(0)
    greenlets[3].kill()
    gevent.joinall(greenlets)
    assert done == [0, 1, 2, 4, 5]


def test_a_timeout_ends_a_wait() -> None:
    queue = FairQueue()

    def hold(pieces: int) -> None:
        for _ in range(pieces):
            queue.acquire_slice()
            work(0.003)

    others = [gevent.spawn(hold, 10) for _ in range(20)]
    gevent.sleep(0)
    with pytest.raises(TimeoutError), gevent.Timeout(0.01, TimeoutError("too long")):
        hold(100)
    gevent.joinall(others)


def test_each_event_loop_has_its_own_queue_of_each_kind() -> None:
    def queues() -> list[FairQueue]:
        found = [fair_queue_of_hub(), fair_queue_of_hub(), fair_queue_of_hub("connecting")]
        gevent.get_hub().destroy(destroy_loop=True)
        return [*found, fair_queue_of_hub()]

    first, again, connecting, after = gevent.get_hub().threadpool.apply(queues)
    assert first is again
    assert len({id(queue) for queue in (fair_queue_of_hub(), first, connecting, after)}) == 4


@pytest.fixture
def busy_loop() -> Iterator[None]:
    """Let the loop never be idle; most of its time passes without use of the CPU."""
    sleep = gevent.monkey.get_original("time", "sleep")
    loop: Any = gevent.get_hub().loop
    busy = loop.idle(priority=loop.MAXPRI)
    busy.start(lambda: sleep(0.0005))
    yield
    busy.stop()
    busy.close()


def turns_of_two(queue: FairQueue) -> list[float]:
    """Let two greenlets use the queue in turn; return the CPU time at which each slice began."""
    began: list[float] = []

    def take() -> None:
        for _ in range(2):
            queue.acquire_slice()
            began.append(time.thread_time())
            work(0.003)

    gevent.joinall([gevent.spawn(take), gevent.spawn(take)])
    return began


@pytest.mark.usefixtures("busy_loop")
def test_while_the_loop_is_busy_other_work_has_cpu_time_between_two_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("zinfo.loop.yielding._MAX_PAUSE", 60.0)
    began = turns_of_two(FairQueue(pause=0.02))
    assert len(began) == 4
    assert min(after - before for before, after in itertools.pairwise(began)) >= 0.02


@pytest.mark.usefixtures("busy_loop")
def test_a_pause_ends_although_the_loop_has_no_cpu_time() -> None:
    with gevent.Timeout(20):
        assert len(turns_of_two(FairQueue(pause=10_000.0))) == 4


def test_while_the_loop_is_idle_a_queue_does_not_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zinfo.loop.yielding._MAX_PAUSE", 10_000.0)
    with gevent.Timeout(20):
        assert len(turns_of_two(FairQueue(pause=10_000.0))) == 4


@pytest.mark.usefixtures("busy_loop")
def test_a_greenlet_that_comes_during_a_pause_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So a client that requests the next page at once does not take every other slice."""
    monkeypatch.setattr("zinfo.loop.yielding._MAX_PAUSE", 60.0)
    queue = FairQueue(pause=0.02)
    assert can_start(queue)
    used = time.thread_time()
    loop: Any = gevent.get_hub().loop
    for _ in range(3):
        gevent.idle(priority=loop.MAXPRI)
    assert not can_start(queue) or time.thread_time() - used >= 0.02


def test_all_kinds_of_work_pause() -> None:
    for kind in ("low_priority", "connecting", "background"):
        assert fair_queue_of_hub(kind)._pause > 0
