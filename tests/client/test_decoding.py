"""Decoding of bus messages and snapshot entries."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict
from typing import Any

import pytest

from zinfo.client.decoding import (
    BusMessage,
    decode_delta,
    decode_event,
    decode_heartbeat,
    decode_snapshot,
    entry_from_map,
    event_from_map,
    parse_message,
)
from zinfo.client.inferred_events import inferred_delta
from zinfo.client.pending_updates import PendingUpdates
from zinfo.client.snapshot_page import decode_page
from zinfo.client.stored_info import PackedDelta
from zinfo.client.updates import Delta, Info, copied, make_delta
from zinfo.errors import ProtocolError
from zinfo.wire.bus_messages import Header
from zinfo.wire.codec import pack

DELTA = {"set": {"a": 1}, "unset": ["b"], "base": 3}
EVENT = {
    "shard": "s",
    "type": "down",
    "old": "up",
    "new": "down",
    "reason": "timeout",
    "message": "",
    "number": 9,
    "seq": 4,
    "time": 1.5,
}
HEARTBEAT = {"interval": 1.0, "shards": 2, "events": 9, "revisions": 30}
ENTRY = {
    "shard": "s",
    "revision": 4,
    "time": 1.5,
    "age": 0.5,
    "info": {"a": 1},
    "state": "up",
    "reason": "",
    "labels": {"zone": "z"},
    "interval": 1.0,
    "seq": 4,
}


def bus_message(kind: str, body: object, name: str = "s", seq: int = 4) -> BusMessage:
    return BusMessage(kind, name, Header(1, "n", 7, seq, 1.5), pack(body))


def test_applying_a_delta_does_not_change_its_base() -> None:
    delta = decode_delta(bus_message("delta", {**DELTA, "of a later version": 1}))
    assert delta == Delta("s", 4, 3, 1.5, {"a": 1}, ("b",))
    before: dict[str, Any] = {"b": 2, "c": 3}
    assert delta.applied_to(before) == {"a": 1, "c": 3}
    assert before == {"b": 2, "c": 3}


def test_a_delta_without_a_base_is_the_whole_info() -> None:
    delta = decode_delta(bus_message("delta", {**DELTA, "base": 0, "unset": []}))
    assert delta.applied_to({"b": 2}) == {"a": 1}


@pytest.mark.parametrize(
    "change",
    [
        {"set": None},
        {"set": {1: 2}},
        {"set": []},
        {"unset": None},
        {"unset": "b"},
        {"unset": [1]},
        {"base": None},
        {"base": 4},
        {"base": -1},
        {"base": True},
        {"base": 1.0},
    ],
)
def test_a_delta_with_a_wrong_type_is_rejected(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        decode_delta(bus_message("delta", {**DELTA, **change}))


@pytest.mark.parametrize("body", [None, [], "x", 1])
def test_a_body_that_is_not_a_map_is_rejected(body: object) -> None:
    for read in (decode_delta, decode_event, decode_heartbeat, decode_snapshot):
        with pytest.raises(ProtocolError):
            read(bus_message("any", body))
    for read_map in (event_from_map, entry_from_map):
        with pytest.raises(ProtocolError):
            read_map(body)


@pytest.mark.parametrize("name", ["shard", "type", "number", "seq", "time"])
@pytest.mark.parametrize("value", [None, [], float("nan"), True])
def test_an_event_with_a_wrong_type_is_rejected(name: str, value: object) -> None:
    with pytest.raises(ProtocolError):
        event_from_map({**EVENT, name: value})


def test_an_event_may_omit_optional_keys() -> None:
    event = event_from_map({**EVENT, "old": None, "reason": None, "message": None})
    assert (event.old, event.reason, event.message) == (None, "", "")


def test_an_event_on_the_topic_of_another_shard_is_rejected() -> None:
    assert decode_event(bus_message("event", EVENT)).number == 9
    with pytest.raises(ProtocolError, match="disagree"):
        decode_event(bus_message("event", EVENT, name="t"))
    with pytest.raises(ProtocolError, match="disagree"):
        decode_event(bus_message("event", EVENT, seq=5))


@pytest.mark.parametrize(
    "change",
    [
        {"interval": 0},
        {"interval": -1},
        {"interval": float("inf")},
        {"shards": 1.5},
        {"events": ""},
    ],
)
def test_a_heartbeat_with_a_wrong_value_is_rejected(change: dict[str, object]) -> None:
    assert decode_heartbeat(bus_message("hb", HEARTBEAT)).revisions == 30
    with pytest.raises(ProtocolError):
        decode_heartbeat(bus_message("hb", {**HEARTBEAT, **change}))


def test_an_entry_of_a_shard_never_polled_has_no_info_and_no_age() -> None:
    entry = entry_from_map({**ENTRY, "info": None, "time": None, "age": None, "interval": None})
    assert (entry.info, entry.age, entry.time, entry.interval) == (None, float("inf"), 0.0, 0.0)


@pytest.mark.parametrize(
    "change", [{"info": []}, {"revision": None}, {"labels": ["z"]}, {"state": None}, {"time": None}]
)
def test_an_entry_with_a_wrong_type_is_rejected(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        entry_from_map({**ENTRY, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"info": []},
        {"info": {}, "time": None},
        {"age": float("nan")},
        {"since": float("inf")},
        {"since": "today"},
        {"error": 5},
        {"revision": None},
        {"labels": ["z"]},
        {"state": None},
        {"seq": "1"},
    ],
)
def test_a_page_with_a_wrong_type_is_rejected(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        decode_page(pack([ENTRY, {**ENTRY, **change}]))


def test_a_page_has_the_entries_with_their_info_packed() -> None:
    unpolled = {**ENTRY, "info": None, "time": None, "age": None, "interval": None}
    polled, new = decode_page(pack([{**ENTRY, "of a later version": 1}, unpolled]))
    assert asdict(polled) == {**ENTRY, "info": pack({"a": 1}), "since": None, "error": ""}
    assert (new.info, new.age, new.time, new.interval) == (None, float("inf"), 0.0, 0.0)
    (down,) = decode_page(pack([{**ENTRY, "since": 2.5, "error": "refused"}]))
    assert (down.since, down.error) == (2.5, "refused")


def test_a_message_with_a_wrong_number_of_frames_or_time_is_rejected() -> None:
    header = pack([1, "n", 7, 4, 1.5])
    assert parse_message([b"z1/delta/s/", header, b""]).name == "s"
    for frames in ([b"z1/delta/s/", header], [b"z1/delta/s/", header, b"", b""]):
        with pytest.raises(ProtocolError, match="3 frames"):
            parse_message(frames)
    with pytest.raises(ProtocolError, match="time"):
        parse_message([b"z1/delta/s/", pack([1, "n", 7, 4, float("inf")]), b""])


def test_an_inferred_delta_has_new_changed_and_removed_fields() -> None:
    (entry,) = decode_page(pack([ENTRY]))
    former: Info = {"same": 1, "other": 1, "gone": 1}
    delta = inferred_delta(entry, {"same": 1, "other": 2, "new": "x"}, former, 3)
    assert (delta.base, delta.revision) == (3, 4)
    assert delta.set == {"other": 2, "new": "x"}
    assert delta.unset == ("gone",)


def test_a_copy_shares_no_mutable_value() -> None:
    value: dict[str, Any] = {"a": [{"b": 1}], "c": "d"}
    copy = copied(value)
    assert copy == value
    assert copy["a"] is not value["a"]
    assert copy["a"][0] is not value["a"][0]


def test_pending_updates_are_counted_and_returned_in_order() -> None:
    pending = PendingUpdates(1000)
    for revision in (3, 2):
        pending.add_delta("s", PackedDelta(revision, 1, 0.0, 5.0, bytes(10)))
    pending.add_event(event_from_map(EVENT))
    pending.add_event(event_from_map({**EVENT, "seq": 2}))
    assert [one.revision for one in pending.take_deltas("s")] == [2, 3]
    assert [event.seq for event in pending.take_events("s")] == [2, 4]
    assert pending.size == 0
    assert not pending.take_deltas("s")


def test_above_the_limit_all_pending_updates_are_dropped() -> None:
    pending = PendingUpdates(15)
    for shard in ("s", "t"):
        pending.add_delta(shard, PackedDelta(2, 1, 0.0, 5.0, bytes(10)))
    assert (pending.size, pending.overflows) == (0, 1)
    assert not pending.take_deltas("s")


def test_a_delta_is_made_as_by_its_constructor() -> None:
    changed: Info = {"x": 1}
    delta = make_delta("a", 3, 2, 1.5, changed, ("y",))
    assert delta == Delta("a", 3, 2, 1.5, changed, ("y",))
    with pytest.raises(FrozenInstanceError):
        delta.revision = 4  # type: ignore[misc]  # frozen: it must raise
