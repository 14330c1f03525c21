"""Connecting is bounded in number, and those that keep failing never take all places."""

from __future__ import annotations

import gevent
import gevent.event
import pytest

from tests.waiting import wait_until
from zinfo.poll.connect_pool import ConnectPool


class Connecting:
    """Connections that are made when it is said so."""

    def __init__(self, most: int) -> None:
        self.begun: list[str] = []
        self.failed: list[str] = []
        self._ends: dict[str, gevent.event.Event] = {}
        self.connector = ConnectPool(
            self._connect, most, lambda item, _error: self.failed.append(item)
        )

    def _connect(self, item: str) -> None:
        self.begun.append(item)
        end = self._ends[item] = gevent.event.Event()
        end.wait()
        if item.startswith("broken"):
            raise RuntimeError(item)

    def add(self, *items: str, failed_before: bool = False) -> None:
        for item in items:
            self.connector.add(item, failed_before=failed_before)
        gevent.sleep(0)

    def end(self, item: str) -> None:
        self._ends.pop(item).set()
        gevent.sleep(0)
        gevent.sleep(0)


def test_items_are_connected_in_order_and_a_bounded_number_at_a_time() -> None:
    connecting = Connecting(2)
    connecting.add("a", "b", "c", "d")
    assert connecting.begun == ["a", "b"]
    connecting.end("b")
    assert connecting.begun == ["a", "b", "c"]
    connecting.end("a")
    connecting.end("c")
    assert connecting.begun == ["a", "b", "c", "d"]
    connecting.connector.close()


def test_those_that_failed_before_leave_places_to_others_and_come_after_them() -> None:
    connecting = Connecting(4)
    connecting.add("old1", "old2", "old3", "old4", failed_before=True)
    assert connecting.begun == ["old1", "old2", "old3"]
    connecting.add("new1", "new2", "new3")
    assert connecting.begun[3:] == ["new1"]
    connecting.end("old1")
    connecting.end("new1")
    assert connecting.begun[4:] == ["new2", "new3"], "old4 waits for them"
    connecting.end("new2")
    assert connecting.begun[6:] == ["old4"]
    connecting.connector.close()


def test_one_place_serves_all() -> None:
    connecting = Connecting(1)
    connecting.add("old", failed_before=True)
    connecting.end("old")
    connecting.add("new")
    assert connecting.begun == ["old", "new"]
    connecting.connector.close()


def test_an_item_that_raises_gives_its_place_back() -> None:
    connecting = Connecting(1)
    connecting.add("broken", "next")
    connecting.end("broken")
    assert connecting.failed == ["broken"]
    assert connecting.begun == ["broken", "next"]
    connecting.connector.close()


def test_nothing_that_waits_is_begun_after_the_close() -> None:
    connecting = Connecting(1)
    connecting.add("a", "b")
    connecting.connector.close()
    gevent.sleep(0)
    assert connecting.begun == ["a"]


@pytest.mark.parametrize("error", [gevent.Timeout(1), gevent.GreenletExit("end")])
def test_an_item_that_raises_what_is_no_exception_gives_its_place_back(
    error: BaseException,
) -> None:
    failed: list[tuple[str, BaseException]] = []
    connected: list[str] = []

    def connect(item: str) -> None:
        if item == "broken":
            raise error
        connected.append(item)

    connector = ConnectPool(connect, 1, lambda item, error: failed.append((item, error)))
    connector.add("broken")
    connector.add("next")
    wait_until(lambda: connected == ["next"], what="the next item")
    assert failed == [("broken", error)]
    connector.close()
