"""`Client.history`: pages become a mapping, and what is no such page is refused."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from zinfo.client.fleet_history import HISTORY_ENTRIES, entries_of, merged_history
from zinfo.client.fleet_merge import EntryMerge
from zinfo.client.history import History, body_of, history
from zinfo.errors import ProtocolError
from zinfo.wire.history_pages import history_page_of, native_floats
from zinfo.wire.query_messages import Reply

NAN = math.nan


def body(ids: list[str], *values: float, **changed: Any) -> dict[str, Any]:
    points = len(values) // max(len(ids), 1)
    packed = struct.pack(f"<{len(values)}f", *values)
    page = {"step": 5.0, "newest": 1000.0, "points": points, "ids": ids}
    return {**page, "fields": {"memory": packed, "lag": None}, **changed}


def read(*bodies: object) -> History:
    call = history((), (), None, 0.0)
    return call.read([Reply(1, {}, one) for one in bodies])


def values(found: History, name: str = "memory") -> dict[str, list[float]]:
    return {shard: list(series) for shard, series in found[name].items()}


def same(one: dict[str, list[float]], other: dict[str, list[float]]) -> bool:
    return one.keys() == other.keys() and all(
        one[shard] == pytest.approx(other[shard], nan_ok=True) for shard in one
    )


def test_pages_become_one_mapping() -> None:
    found = read(body(["a", "b"], 1, 2, 3, 4), body(["c"], 5, NAN))
    assert (found.ids, found.step, found.newest, found.points) == (("a", "b", "c"), 5.0, 1000.0, 2)
    assert found.times() == [995.0, 1000.0]
    assert list(found) == ["memory", "lag"]
    assert same(values(found), {"a": [1, 2], "b": [3, 4], "c": [5, NAN]})
    assert same(values(found, "lag"), {key: [NAN, NAN] for key in "abc"})
    assert found["memory"]["b"].readonly
    assert len(found["memory"]) == 3
    with pytest.raises(KeyError):
        found["memory"]["d"]


def test_a_history_without_shards_or_values_is_empty() -> None:
    assert values(read(body([]))) == {}
    assert values(read(body(["a"]))) == {"a": []}


@pytest.mark.parametrize(
    "changed",
    [
        {"step": 0},
        {"step": True},
        {"newest": math.inf},
        {"newest": "x"},
        {"points": -1},
        {"points": 2.0},
        {"points": 3},
        {"ids": ["a", 1]},
        {"ids": None},
        {"fields": []},
        {"fields": {1: b""}},
        {"fields": {"memory": b"1234567"}},
        {"fields": {"memory": "12345678"}},
    ],
)
def test_what_is_no_page_is_refused(changed: dict[str, Any]) -> None:
    history_page_of(body(["a"], 1, 2))
    with pytest.raises(ProtocolError):
        history_page_of({**body(["a"], 1, 2), **changed})


def test_a_history_becomes_a_body_again() -> None:
    found = read(body_of(read(body(["a", "b"], 1, 2, 3, 4), body(["c"], 5, NAN))))
    assert (found.ids, found.newest, found.points) == (("a", "b", "c"), 1000.0, 2)
    assert same(values(found), {"a": [1, 2], "b": [3, 4], "c": [5, NAN]})
    assert same(values(found, "lag"), {key: [NAN, NAN] for key in "abc"})


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(ProtocolError):
        history_page_of([])


@pytest.mark.parametrize("changed", [{"newest": 1005.0}, {"step": 4.0}, {"fields": {}}])
def test_pages_of_different_replies_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="belong together"):
        read(body(["a"], 1, 2), body(["b"], 1, 2, **changed))


def test_values_are_in_the_order_of_bytes_of_the_machine() -> None:
    packed = struct.pack("<2f", 1, 2)
    assert native_floats(packed, "little") == packed
    assert native_floats(packed, "big") == struct.pack(">2f", 1, 2)


# --- of several daemons


def merged(*members: History, ids: tuple[str, ...] = ()) -> History:
    merge = EntryMerge(HISTORY_ENTRIES)
    for member in members:
        merge.add(entries_of(member), 0.0)
    return merged_history(merge.take(ids), ["memory", "lag"])


def test_each_shard_of_a_fleet_is_there_once() -> None:
    one, other = read(body(["b", "c"], 1, 2, 3, 4)), read(body(["a"], 5, 6))
    found = merged(one, other)
    assert (found.ids, found.step, found.newest, found.points) == (("a", "b", "c"), 5.0, 1000.0, 2)
    assert same(values(found), {"a": [5, 6], "b": [1, 2], "c": [3, 4]})
    assert same(values(found, "lag"), {key: [NAN, NAN] for key in "abc"})
    assert merged(one, other, ids=("c", "a")).ids == ("c", "a")


def test_the_copy_with_the_newest_value_counts() -> None:
    silent, current = read(body(["a"], 1, 1, 1, NAN)), read(body(["a"], NAN, NAN, 2, 2))
    for found in (merged(silent, current), merged(current, silent)):
        assert same(values(found), {"a": [NAN, NAN, 2, 2]})


def test_of_two_such_copies_the_longer_one_counts() -> None:
    started, long = read(body(["a"], NAN, NAN, 2, 2)), read(body(["a"], NAN, 1, 1, 1))
    for found in (merged(started, long), merged(long, started)):
        assert same(values(found), {"a": [NAN, 1, 1, 1]})


def test_a_copy_without_values_counts_if_there_is_no_other() -> None:
    assert same(values(merged(read(body(["a"], NAN, NAN)))), {"a": [NAN, NAN]})


def test_steps_of_daemons_that_differ_by_one_are_aligned() -> None:
    later = read(body(["a"], 1, 2, 3, newest=1005.0))
    earlier = read(body(["b"], 4, 5, 6))
    found = merged(later, earlier)
    assert (found.newest, found.points) == (1000.0, 3)
    assert same(values(found), {"a": [NAN, 1, 2], "b": [4, 5, 6]})


def test_a_daemon_whose_clock_is_wrong_does_not_hide_the_others() -> None:
    found = merged(read(body(["a"], 1, 2, 3)), read(body(["b"], 4, 5, 6, newest=500.0)))
    assert found.newest == 1000.0
    assert list(found["memory"]["a"])[-3:] == [1, 2, 3]
    assert all(map(math.isnan, list(found["memory"]["b"])[-3:]))


def test_steps_of_different_length_become_the_longest() -> None:
    fine, coarse = read(body(["a"], 1, 2, 3, 4, step=2.5)), read(body(["b"], 5, 6))
    found = merged(fine, coarse)
    assert (found.step, found.newest) == (5.0, 1000.0)
    assert same(values(found), {"a": [2, 4], "b": [5, 6]})


def test_a_fleet_without_shards_has_an_empty_history() -> None:
    assert values(merged()) == {}
