"""The connect pool bounds its greenlets, and items that keep failing never occupy all of them."""

from __future__ import annotations

import gevent
import gevent.event
import pytest

from tests.waiting import wait_until
from zinfo.poll.connect_pool import ConnectPool


class PoolUnderTest:
    """A pool whose connects end when the test says so."""

    def __init__(self, most: int) -> None:
        self.started: list[str] = []
        self.failed: list[str] = []
        self._ends: dict[str, gevent.event.Event] = {}
        self.pool = ConnectPool(self._connect, most, lambda item, _error: self.failed.append(item))

    def _connect(self, item: str) -> None:
        self.started.append(item)
        end = self._ends[item] = gevent.event.Event()
        end.wait()
        if item.startswith("broken"):
            raise RuntimeError(item)

    def add(self, *items: str, failed_before: bool = False) -> None:
        for item in items:
            self.pool.add(item, failed_before=failed_before)
        gevent.sleep(0)

    def end(self, item: str) -> None:
        self._ends.pop(item).set()
        gevent.sleep(0)
        gevent.sleep(0)


def test_items_are_connected_in_order_and_in_a_bounded_number_of_greenlets() -> None:
    test_pool = PoolUnderTest(2)
    test_pool.add("a", "b", "c", "d")
    assert test_pool.started == ["a", "b"]
    test_pool.end("b")
    assert test_pool.started == ["a", "b", "c"]
    test_pool.end("a")
    test_pool.end("c")
    assert test_pool.started == ["a", "b", "c", "d"]
    test_pool.pool.close()


def test_items_that_failed_before_come_last_and_leave_a_greenlet_to_others() -> None:
    test_pool = PoolUnderTest(4)
    test_pool.add("old1", "old2", "old3", "old4", failed_before=True)
    assert test_pool.started == ["old1", "old2", "old3"]
    test_pool.add("new1", "new2", "new3")
    assert test_pool.started[3:] == ["new1"]
    test_pool.end("old1")
    test_pool.end("new1")
    assert test_pool.started[4:] == ["new2", "new3"], "old4 comes after them"
    test_pool.end("new2")
    assert test_pool.started[6:] == ["old4"]
    test_pool.pool.close()


def test_a_pool_of_one_greenlet_connects_all_items() -> None:
    test_pool = PoolUnderTest(1)
    test_pool.add("old", failed_before=True)
    test_pool.end("old")
    test_pool.add("new")
    assert test_pool.started == ["old", "new"]
    test_pool.pool.close()


def test_an_item_that_raises_frees_its_greenlet() -> None:
    test_pool = PoolUnderTest(1)
    test_pool.add("broken", "next")
    test_pool.end("broken")
    assert test_pool.failed == ["broken"]
    assert test_pool.started == ["broken", "next"]
    test_pool.pool.close()


def test_queued_items_are_not_connected_after_close() -> None:
    test_pool = PoolUnderTest(1)
    test_pool.add("a", "b")
    test_pool.pool.close()
    gevent.sleep(0)
    assert test_pool.started == ["a"]


@pytest.mark.parametrize("error", [gevent.Timeout(1), gevent.GreenletExit("end")])
def test_an_item_that_raises_a_gevent_error_frees_its_greenlet(
    error: BaseException,
) -> None:
    failed: list[tuple[str, BaseException]] = []
    connected: list[str] = []

    def connect(item: str) -> None:
        if item == "broken":
            raise error
        connected.append(item)

    pool = ConnectPool(connect, 1, lambda item, error: failed.append((item, error)))
    pool.add("broken")
    pool.add("next")
    wait_until(lambda: connected == ["next"], what="the next item")
    assert failed == [("broken", error)]
    pool.close()
