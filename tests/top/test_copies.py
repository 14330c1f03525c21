"""Of several daemons: which copy of a shard is shown, which events, and the line about them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.top.building import event
from zinfo.client import Event
from zinfo.top.copy_choice import MARGIN, Merged, merge
from zinfo.top.daemon_reader import DaemonReading
from zinfo.top.daemons_text import daemons_text, slice_text
from zinfo.top.fleet_events import HOLD_SECONDS, FleetEvents
from zinfo.top.record import Reading, Status
from zinfo.top.table_reader import Table
from zinfo.wire.slices import SliceSpec

NOW = 100.0


def reading(ages: Mapping[str, float], *events: Event, state: str = "up") -> DaemonReading:
    """What a daemon has whose shards have an INFO of these ages."""
    statuses = {shard: Status(state, "", {}, age) for shard, age in ages.items()}
    infos = [Reading(shard, 7, 0.0, NOW - age, {}) for shard, age in ages.items()]
    return DaemonReading("", None, 0, False, False, events, Table(statuses, infos), NOW)


def merged(
    found: Mapping[str, DaemonReading], answering: str, former: str = "", *, complete: bool = True
) -> Merged:
    return merge(found, answering, {"db": former} if former else {}, NOW, complete=complete)


def test_the_copy_with_the_newest_info_is_shown() -> None:
    found = merged({"a": reading({"db": 0.9}), "b": reading({"db": 0.2})}, "ab")
    assert (found.chosen, found.statuses["db"].age) == ({"db": "b"}, 0.2)
    assert [one.at for one in found.readings] == [NOW - 0.2]
    assert [(one.daemon, one.shown) for one in found.copies["db"]] == [("a", False), ("b", True)]


def test_a_copy_stays_unless_another_is_much_newer_or_its_shard_does_not_reply() -> None:
    newer = reading({"db": 0.2})
    for age, state, shown in (
        (0.9, "up", "a"),
        (0.2 + MARGIN, "up", "a"),
        (0.3 + MARGIN, "up", "b"),
        (0.9, "down", "b"),
    ):
        found = {"a": reading({"db": age}, state=state), "b": newer}
        assert merged(found, "ab", "a").chosen == {"db": shown}
    assert merged({"a": newer, "b": reading({"db": 0.9})}, "b", "a").chosen == {"db": "b"}


def test_a_shard_that_only_silent_daemons_have_is_stale_or_removed() -> None:
    found = {"a": reading({"db": 1.0}), "b": reading({"other": 1.0})}
    incomplete = merged(found, "b", "a", complete=False)
    assert (incomplete.chosen, incomplete.stale) == ({"db": "a", "other": "b"}, frozenset({"db"}))
    assert not incomplete.copies["db"][0].answers
    assert merged(found, "b", "a").chosen == {"other": "b"}


def test_events_are_those_of_the_shown_copy() -> None:
    one, same = event(3, shard="db", time=5.0), event(8, shard="db", time=5.1)
    of_daemon, early = event(4, "saturated", shard="", time=6.0), event(9, shard="x", time=1.0)
    found = {"a": reading({}, one, of_daemon), "b": reading({}, same, early)}
    shown = FleetEvents().select(found, {}, {"db": "a"}, NOW)
    assert [(each.shard, each.number, each.time, each.message) for each in shown] == [
        ("x", 0, 1.0, ""),
        ("db", 0, 5.0, ""),
        ("", 0, 6.0, "a"),
    ]


def test_of_a_copy_that_takes_over_the_events_are_added_that_the_former_has_not_reported() -> None:
    events = FleetEvents()

    def select(chosen: str, now: float, **reported: tuple[str, float]) -> list[tuple[str, float]]:
        found = {
            endpoint: reading({}, event(1, kind, shard="db", time=time))
            for endpoint, (kind, time) in reported.items()
        }
        shown = events.select(found, {"db": "a"}, {"db": chosen}, now)
        return [(one.type, one.time) for one in shown]

    assert select("a", 1.0, b=("down", 1.0)) == []
    assert select("a", 2.0, a=("down", 2.0), b=("up", 2.0)) == [("down", 2.0)]
    assert select("a", 3.0, b=("down", 3.0)) == []
    assert select("b", 4.0, b=("up", 4.0)) == [("up", 2.0), ("down", 3.0), ("up", 4.0)]
    assert select("b", 5.0) == []


def test_events_of_long_ago_are_not_added_when_a_copy_takes_over() -> None:
    events = FleetEvents()
    past = reading({}, event(1, "up", shard="db", time=0.0))
    events.select({"b": past._replace(is_first=True)}, {"db": "a"}, {"db": "a"}, 1.0)
    assert events.select({}, {"db": "a"}, {"db": "b"}, 2.0) == []
    events.select({"b": past}, {"db": "a"}, {"db": "a"}, 3.0)
    events.select({}, {"db": "a"}, {"db": "a"}, 4.0 + HOLD_SECONDS)
    assert events.select({}, {"db": "a"}, {"db": "b"}, 5.0 + HOLD_SECONDS) == []


def test_the_line_about_the_daemons() -> None:
    spec = [SliceSpec(number, 5, 2, "id") for number in range(5)]
    assert daemons_text([(one, True) for one in spec]) == "5 of 5 daemons, slices 0-4, 2 copies"
    some = [(one, one.number in (0, 1, 3)) for one in spec]
    assert daemons_text(some) == "3 of 5 daemons, slices 0-1, 3 of 5, 2 copies"
    assert daemons_text([(None, True), (None, False)]) == "1 of 2 daemons"
    mixed = [(SliceSpec(0, 1, 1, "id"), True), (spec[2], True)]
    assert daemons_text(mixed) == ("2 of 2 daemons, slice 0 of 1, 1 copy, slice 2 of 5, 2 copies")
    assert (slice_text(spec[1]), slice_text(None)) == ("slice 1 of 5", "")
