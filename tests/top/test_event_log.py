"""The event log: each event once, in order, and a bounded number of them."""

from __future__ import annotations

import random

from tests.top.building import event
from zinfo.top.event_log import MAX_EVENTS, EventLog


def numbers(log: EventLog) -> list[int]:
    return [one.number for one in log.newest(10 * MAX_EVENTS)]


def test_events_that_arrive_in_any_order_are_stored_in_order() -> None:
    wanted = list(range(1, 200))
    given = [*wanted, *wanted[::3]]
    random.Random(5).shuffle(given)
    log = EventLog()
    for number in given:
        log.add([event(number)])
    assert numbers(log) == wanted
    assert log.complete_to == 199


def test_a_missing_event_is_noticed_until_it_comes_or_is_unavailable() -> None:
    log = EventLog()
    log.add([event(1), event(2), event(5), event(6), event(9)])
    assert log.complete_to == 2
    log.add([event(3), event(4)])
    assert log.complete_to == 6
    log.mark_complete(8)
    assert log.complete_to == 9


def test_only_the_newest_are_stored_and_dropped_ones_do_not_come_back() -> None:
    log = EventLog()
    log.add(event(number) for number in range(1, MAX_EVENTS + 11))
    assert len(log) == MAX_EVENTS
    log.add([event(5)])
    assert numbers(log) == list(range(11, MAX_EVENTS + 11))


def test_after_a_restart_of_the_daemon_the_same_numbers_are_other_events() -> None:
    log = EventLog()
    log.add([event(1), event(2)])
    log.restart_numbering()
    log.add([event(0, "restart")])
    log.add([event(2), event(1)])
    assert numbers(log) == [1, 2, 0, 1, 2]
    assert log.complete_to == 2


def test_events_without_a_number_stay_in_the_order_of_arrival() -> None:
    log = EventLog()
    log.add([event(1), event(0, "stale"), event(2), event(0, "again"), event(4), event(3)])
    assert [one.type for one in log.newest(6)] == ["up", "stale", "up", "again", "up", "up"]
    assert numbers(log) == [1, 0, 2, 0, 3, 4]


def test_dropping_events_of_a_former_run_drops_none_of_the_present_run() -> None:
    log = EventLog()
    log.add(event(number) for number in range(1, MAX_EVENTS + 1))
    log.restart_numbering()
    log.add(event(number) for number in (1, 2, 3))
    log.add([event(2)])
    assert numbers(log)[-3:] == [1, 2, 3]
    assert len(log) == MAX_EVENTS


def test_a_request_for_no_events_returns_none() -> None:
    log = EventLog()
    log.add([event(1)])
    assert log.newest(0) == []
