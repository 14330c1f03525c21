"""The events that are held: each once, in order, and a bounded number of them."""

from __future__ import annotations

import random

from tests.top.building import event
from zinfo.top.event_log import KEPT, Happenings


def numbers(happenings: Happenings) -> list[int]:
    return [one.number for one in happenings.last(10 * KEPT)]


def test_events_in_any_order_are_held_in_theirs() -> None:
    wanted = list(range(1, 200))
    given = [*wanted, *wanted[::3]]
    random.Random(5).shuffle(given)
    happenings = Happenings()
    for number in given:
        happenings.add([event(number)])
    assert numbers(happenings) == wanted
    assert happenings.whole_to == 199


def test_a_missing_event_is_seen_until_it_comes_or_is_not_to_be_had() -> None:
    happenings = Happenings()
    happenings.add([event(1), event(2), event(5), event(6), event(9)])
    assert happenings.whole_to == 2
    happenings.add([event(3), event(4)])
    assert happenings.whole_to == 6
    happenings.have_all_to(8)
    assert happenings.whole_to == 9


def test_only_the_newest_are_held_and_older_ones_do_not_come_back() -> None:
    happenings = Happenings()
    happenings.add(event(number) for number in range(1, KEPT + 11))
    assert len(happenings) == KEPT
    happenings.add([event(5)])
    assert numbers(happenings) == list(range(11, KEPT + 11))


def test_after_a_restart_of_the_daemon_the_same_numbers_are_other_events() -> None:
    happenings = Happenings()
    happenings.add([event(1), event(2)])
    happenings.begin_anew()
    happenings.add([event(0, "restart")])
    happenings.add([event(2), event(1)])
    assert numbers(happenings) == [1, 2, 0, 1, 2]
    assert happenings.whole_to == 2


def test_what_has_no_number_stays_where_it_came() -> None:
    happenings = Happenings()
    happenings.add([event(1), event(0, "stale"), event(2), event(0, "again"), event(4), event(3)])
    assert [one.type for one in happenings.last(6)] == ["up", "stale", "up", "again", "up", "up"]
    assert numbers(happenings) == [1, 0, 2, 0, 3, 4]


def test_letting_go_of_what_is_of_a_former_start_forgets_nothing_of_this_one() -> None:
    happenings = Happenings()
    happenings.add(event(number) for number in range(1, KEPT + 1))
    happenings.begin_anew()
    happenings.add(event(number) for number in (1, 2, 3))
    happenings.add([event(2)])
    assert numbers(happenings)[-3:] == [1, 2, 3]
    assert len(happenings) == KEPT


def test_nothing_is_asked_for_and_nothing_is_given() -> None:
    happenings = Happenings()
    happenings.add([event(1)])
    assert happenings.last(0) == []
