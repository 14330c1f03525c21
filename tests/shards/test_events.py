"""EventLog: numbers, counts, stored events and subscribers."""

from __future__ import annotations

import logging

import pytest

from zinfo.shards.events import EventLog
from zinfo.wire.lifecycle import ADDED, REMOVED, Event


def test_events_are_numbered_for_all_and_counted_for_each_shard() -> None:
    log = EventLog(clock=lambda: 12.5)
    log.emit("a", ADDED, None, "new")
    log.emit("b", ADDED, None, "new")
    event = log.emit("a", "down", "up", "down", reason="refused", message="gone")
    assert (event.number, event.seq, event.time) == (3, 2, 12.5)
    assert log.seq("a") == 2
    assert event.as_map() == {
        "shard": "a",
        "id": "a",
        "shard_identifier": "a",
        "type": "down",
        "old": "up",
        "new": "down",
        "reason": "refused",
        "message": "gone",
        "number": 3,
        "seq": 2,
        "time": 12.5,
    }


def test_a_shard_that_is_added_again_never_continues_its_old_count() -> None:
    log = EventLog()
    before = [log.emit("a", ADDED).seq, log.emit("a", "up").seq, log.emit("a", REMOVED).seq]
    again = log.emit("a", ADDED).seq
    assert before == [1, 2, 3]
    assert again > before[-1] + 1


def test_only_the_newest_events_are_stored() -> None:
    log = EventLog(capacity=2)
    assert (log.oldest, log.newest) == (1, 0)
    for _ in range(5):
        log.emit("a", "up")
    assert (log.oldest, log.newest) == (4, 5)
    assert [event.number for event in log.since(0)] == [4, 5]
    assert [event.number for event in log.since(4)] == [5]


def test_events_can_be_filtered_by_shard() -> None:
    log = EventLog()
    for shard in "abca":
        log.emit(shard, "up")
    assert [event.shard for event in log.since(1, {"a", "b"})] == ["b", "a"]


def test_a_subscriber_that_raises_is_counted_and_the_others_are_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = EventLog()
    received: list[Event] = []

    def fail(_event: Event) -> None:
        raise ValueError("boom")

    log.subscribe(fail)
    log.subscribe(received.append)
    with caplog.at_level(logging.CRITICAL):
        log.emit("a", "up")
    assert len(received) == 1
    assert log.callback_errors == 1
