"""The messages of the table: what changed, in whatever order shards come and go."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.page.readings import EPOCH, Page, data, reading
from tests.examples import examples
from zinfo.adapters.page.table_view import RECENT_EVENTS, TableView

VALUES = st.one_of(
    st.none(), st.integers(-9, 9), st.sampled_from([0.5, 2.0, "up"]), st.just({"keys": 1})
)
SHARDS = st.dictionaries(
    st.sampled_from([f"db-{number}" for number in range(6)]),
    st.fixed_dictionaries(
        {
            "state": st.sampled_from(["up", "down"]),
            "time": st.integers(1, 3),
            "a": VALUES,
            "b": VALUES,
        }
    ),
    max_size=6,
)


def nothing() -> None:
    """Do not yield."""


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.one_of(st.none(), SHARDS), min_size=1, max_size=6), st.integers(0, 5))
def test_a_page_has_what_was_read_whenever_it_was_opened(
    readings: list[dict[str, dict[str, Any]] | None], joined: int
) -> None:
    view, first, later = TableView(), Page(), Page()
    newest: dict[str, dict[str, Any]] = {}
    for number, shards in enumerate(readings):
        newest = newest if shards is None else shards
        message = data(view.update(reading(shards), nothing))
        assert message["fresh"] == (shards is not None)
        first.take(message)
        if number > joined:
            later.take(message)
        if number == joined:
            later.take(data(view.whole(nothing)))
    pages = [first, later] if joined < len(readings) else [first]
    for page in pages:
        assert page.by_id().keys() == newest.keys()
        for shard, fields in newest.items():
            found = page.by_id()[shard]
            assert {name: found.get(name) for name in fields} == fields


def test_only_what_changed_is_sent() -> None:
    view = TableView()
    view.update(reading({"a": {"x": 1, "y": "up", "time": 1}, "b": {"x": 2, "time": 1}}), nothing)
    shards: dict[str, dict[str, object]] = {
        "a": {"x": 1, "y": "up", "time": 1},
        "b": {"x": 3, "time": 2},
    }
    message = data(view.update(reading(shards), nothing))
    assert message["columns"] == {"x": {"at": [1], "values": [3]}}
    assert message["times"] == {"at": [1], "values": [2.0]}
    assert (message["shards"], message["gone"], message["events"]) == ({}, [], [])
    message = data(view.update(reading({**shards, "a": {"x": 1, "y": None, "time": 1}}), nothing))
    assert message["columns"] == {"y": {"at": [0], "values": [None]}}


def test_a_value_that_is_no_number_is_not_sent_each_time() -> None:
    view = TableView()
    view.update(reading({"a": {"x": float("nan")}}), nothing)
    assert data(view.update(reading({"a": {"x": float("nan")}}), nothing))["columns"] == {}


def test_numbers_are_not_used_again() -> None:
    view = TableView()
    view.update(reading({"a": {}, "b": {}}), nothing)
    message = data(view.update(reading({"b": {}, "c": {}}), nothing))
    assert (message["gone"], list(message["shards"])) == ([0], ["2"])


def test_after_a_restart_of_the_daemon_the_page_starts_from_nothing() -> None:
    view, page = TableView(), Page()
    page.take(data(view.update(reading({"a": {"x": 1}}, events=[{"number": 1}]), nothing)))
    page.take(data(view.update(reading(None, epoch=EPOCH), nothing)))
    assert page.head["problem"] == "no reply"
    assert "a" in page.by_id(), "it is old, not gone"
    again = view.update(reading({"b": {"x": 2}}, epoch=EPOCH + 1, events=[{"number": 1}]), nothing)
    page.take(data(again))
    assert (page.resets, page.head["epoch"], list(page.by_id())) == (1, EPOCH + 1, ["b"])
    assert len(page.events) == 1


def test_a_page_that_is_opened_receives_the_newest_events() -> None:
    view, page = TableView(), Page()
    events = [{"number": number} for number in range(RECENT_EVENTS + 5)]
    view.update(reading({}, events=events), nothing)
    page.take(data(view.whole(nothing)))
    assert page.events == events[-RECENT_EVENTS:]
