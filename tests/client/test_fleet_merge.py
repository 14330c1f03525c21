"""What several daemons reply, merged: entries, columns and events; and which daemons to ask."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from math import inf, isinf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zinfo.client.columns import Column, Columns
from zinfo.client.fleet_columns import MemberColumns, columns_of_entries, merged_columns
from zinfo.client.fleet_events import MemberEvents, merged_events
from zinfo.client.fleet_members import Member
from zinfo.client.fleet_merge import (
    INFO_ENTRIES,
    SHARD_ENTRIES,
    EntryMerge,
    without_errors,
)
from zinfo.client.fleet_owners import Owners
from zinfo.client.fleet_pages import PagesOfMember, merged_page
from zinfo.client.fleet_results import FleetEvent
from zinfo.errors import NotPolledError, ProtocolError, UnknownShardError
from zinfo.wire.lifecycle import Event
from zinfo.wire.query_messages import Reply
from zinfo.wire.slices import slices_of

NOW = 1000.0


def info(shard: object, age: float, state: str = "up", **fields: object) -> dict[str, object]:
    """An entry of get_infos."""
    return {**fields, "meta": {"shard_identifier": shard, "info_age": age, "state": state}}


def no_info(shard: str, state: str | None = None) -> dict[str, object]:
    """An entry of get_infos for a shard that is unknown, or was never polled."""
    meta: dict[str, object] = {"shard_identifier": shard, "info_age": 1e38, "error": "none"}
    return {"meta": meta if state is None else {**meta, "state": state}}


# --- entries


def test_the_newest_copy_of_a_shard_counts_with_its_state() -> None:
    merge = EntryMerge(INFO_ENTRIES)
    merge.add([info("b", 3.0, "down"), info("a", 1.0)], NOW)
    merge.add([info("b", 2.0, "busy"), info("a", 1.5)], NOW)
    assert merge.take() == [info("a", 1.0), info("b", 2.0, "busy")]


def test_ages_count_from_when_they_were_received() -> None:
    merge = EntryMerge(INFO_ENTRIES)
    merge.add([info("a", 1.0)], NOW)
    merge.add([info("a", 2.0)], NOW + 5)
    assert merge.take() == [info("a", 2.0)]


@pytest.mark.parametrize("first", [True, False])
def test_a_copy_with_info_counts_before_one_without(first: bool) -> None:
    copies = [info("a", 900.0), no_info("a", "new"), no_info("a")]
    merge = EntryMerge(INFO_ENTRIES)
    for copy in copies if first else reversed(copies):
        merge.add([copy], NOW)
        assert merge.has_info("a") == (copy is copies[0] or first)
    assert merge.take() == [copies[0]]
    assert not merge.has_info("b")


@pytest.mark.parametrize("first", [True, False])
def test_a_shard_that_was_never_polled_counts_before_one_that_is_unknown(first: bool) -> None:
    copies = [no_info("a", "new"), no_info("a")]
    merge = EntryMerge(INFO_ENTRIES)
    for copy in copies if first else reversed(copies):
        merge.add([copy], NOW)
    with pytest.raises(NotPolledError):
        without_errors(merge.take(), ())


def test_requested_shards_are_in_the_requested_order() -> None:
    merge = EntryMerge(SHARD_ENTRIES)
    new = {"id": "b", "age": None, "state": "new"}
    polled = {"id": "a", "age": 1.0, "state": "down"}
    merge.add([polled, new], NOW)
    assert not merge.has_info("b")
    assert not merge.is_current("a")
    assert merge.take(["b", "c", "a", "b"]) == [new, polled, new]


def test_what_comes_after_the_result_is_ignored() -> None:
    merge = EntryMerge(INFO_ENTRIES)
    merge.take()
    merge.add([info("a", 1.0)], NOW)
    assert merge.take() == []


@pytest.mark.parametrize(
    "entry",
    [{}, {"meta": None}, {"meta": {"shard_identifier": "a", "info_age": "x"}}, info(7, 1.0)],
)
def test_entries_without_an_id_or_an_age_are_an_error(entry: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        EntryMerge(INFO_ENTRIES).add([entry], NOW)


def test_an_error_of_an_entry_is_raised_unless_a_daemon_that_must_know_is_silent() -> None:
    entries = [info("a", 1.0), no_info("b")]
    with pytest.raises(UnknownShardError, match="none"):
        without_errors(entries, ())
    assert without_errors(entries, ["b"]) == [info("a", 1.0)]


# --- pages


def page(cursor: str | None, *entries: object) -> Reply:
    """A page of a reply to get_infos."""
    return Reply(1, {"cursor": cursor} if cursor else {}, list(entries))


def test_a_shard_is_given_when_all_of_its_copies_may_have_arrived() -> None:
    one, two = PagesOfMember({}), PagesOfMember({})
    one.on_page(page("c", info("a", 1.0), info("c", 1.0)), NOW)
    assert merged_page([one, two]) == []
    two.on_page(page("b", info("a", 2.0), info("b", 2.0)), NOW)
    assert merged_page([one, two]) == [info("a", 1.0), info("b", 2.0)]
    assert (one.needs_page, two.needs_page) == (False, True)
    two.on_page(page("x"), NOW)
    assert merged_page([one, two]) == []
    two.on_page(page(None, info("c", 0.5), info("d", 0.5)), NOW)
    assert merged_page([one, two]) == [info("c", 0.5)]
    one.on_page(page(None), NOW)
    assert merged_page([one, two]) == [info("d", 0.5)]
    assert (one.last, two.last, two.needs_page) == (None, None, False)


@pytest.mark.parametrize(
    "entries", [[info("b", 1.0), info("a", 1.0)], [{}], [info(3, 1.0), info("a", 1.0)]]
)
def test_pages_that_are_not_sorted_are_an_error(entries: list[object]) -> None:
    with pytest.raises(ProtocolError):
        PagesOfMember({}).on_page(page(None, *entries), NOW)


# --- columns


def columns(ages: Mapping[str, float], state: str = "up", **fields: Column) -> MemberColumns:
    """The columns of a daemon, received now."""
    states = (state,) * len(ages)
    return MemberColumns(
        Columns(tuple(ages), memoryview(array("d", ages.values())), states, fields), NOW
    )


def integers(*values: int, valid: bytes | None = None) -> Column:
    """A column of integers."""
    return Column("int64", memoryview(array("q", values)), valid)


def test_of_two_columns_the_newest_value_of_each_shard_counts() -> None:
    merged = merged_columns(
        [
            columns({"a": 1.0, "c": 5.0}, "busy", used=integers(1, 2)),
            columns({"b": inf, "c": 1.0, "d": 2.0}, used=integers(0, 4, 5, valid=b"\0\1\1")),
        ]
    )
    assert merged.ids == ("a", "b", "c", "d")
    assert list(merged.ages) == [1.0, inf, 1.0, 2.0]
    assert merged.states == ("busy", "up", "up", "up")
    assert merged["used"].dtype == "int64"
    assert list(merged["used"]) == [1, None, 4, 5]
    assert merged["used"].values.readonly  # type: ignore[union-attr]  # int64: a memoryview


def test_a_column_without_a_missing_value_has_no_valid() -> None:
    merged = merged_columns(
        [
            columns({"a": 2.0}, used=integers(0, valid=b"\0")),
            columns({"a": 1.0}, used=integers(7)),
        ]
    )
    assert merged["used"].valid is None
    assert list(merged["used"]) == [7]


@pytest.mark.parametrize(
    ("other", "dtype", "value"),
    [
        (Column("float64", memoryview(array("d", [0.5])), None), "float64", 0.5),
        (Column("mixed", ["text"], None), "mixed", "text"),
        (integers(0, valid=b"\0"), "int64", None),
    ],
)
def test_columns_of_several_types_get_one_that_has_all_values(
    other: Column, dtype: str, value: object
) -> None:
    merged = merged_columns([columns({"a": 1.0}, x=integers(3)), columns({"b": 1.0}, x=other)])
    assert merged["x"].dtype == dtype
    assert list(merged["x"]) == [3, value]


def test_the_columns_of_one_daemon_are_not_copied() -> None:
    only = columns({"a": 1.0}, x=integers(3))
    assert merged_columns([only]) is only.columns


SHARDS = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(
        st.one_of(st.just(inf), st.integers(0, 50).map(float)),
        st.one_of(st.none(), st.integers(-5, 5), st.just(2**60), st.just(0.5), st.just("text")),
    ),
)


def of_values(values: Sequence[object]) -> Column:
    """A column as a daemon sends it, by way of the entries of an older daemon."""
    shards = [{"id": f"{at:09}", "state": "up", "age": 1.0} for at in range(len(values))]
    infos = [
        {"meta": {"shard_identifier": f"{at:09}", "info_age": 1.0}, "x": value}
        for at, value in enumerate(values)
    ]
    return columns_of_entries(["x"], shards, infos, NOW).columns["x"]


@given(st.lists(SHARDS, min_size=1, max_size=4))
def test_merged_columns_equal_a_merge_of_each_value(
    fleet: list[dict[str, tuple[float, object]]],
) -> None:
    members = []
    for shards in fleet:
        held = dict(sorted(shards.items()))
        ages = {shard: age for shard, (age, _) in held.items()}
        members.append(columns(ages, x=of_values([value for _, value in held.values()])))
    merged = merged_columns(members)
    expected: dict[str, tuple[float, object]] = {}
    for shards in fleet:
        for shard, (age, value) in shards.items():
            if shard not in expected or age < expected[shard][0]:
                expected[shard] = age, value
    assert merged.ids == tuple(sorted(expected))
    assert [(age, value) for age, value in zip(merged.ages, merged["x"], strict=True)] == [
        expected[shard] for shard in merged.ids
    ]


def test_entries_of_an_older_daemon_become_columns() -> None:
    shards: list[dict[str, object]] = [
        {"id": "b", "state": "down", "age": None},
        {"id": "a", "state": "up", "age": 3.0},
    ]
    infos = [info("a", 2.0, used=7, ratio=0.5, role="master", huge=2**70, both=1)]
    found = columns_of_entries(["used", "ratio", "role", "huge", "none"], shards, infos, NOW)
    assert found.columns.ids == ("a", "b")
    assert found.columns.states == ("up", "down")
    assert found.columns.ages[0] == 2.0
    assert isinf(found.columns.ages[1])
    types = {name: column.dtype for name, column in found.columns.items()}
    assert types == {
        "used": "int64",
        "ratio": "float64",
        "role": "mixed",
        "huge": "mixed",
        "none": "int64",
    }
    assert list(found.columns["used"]) == [7, None]
    assert list(found.columns["role"]) == ["master", None]


# --- events


def events(endpoint: str, *happened: tuple[float, str, str]) -> MemberEvents:
    """The events of a daemon: time, shard and type of each."""
    made = [
        Event(shard, type_, None, None, "", "", number, number, time)
        for number, (time, shard, type_) in enumerate(happened, 1)
    ]
    return MemberEvents(endpoint, f"node-{endpoint}", ord(endpoint), made)


def times(found: Sequence[FleetEvent]) -> list[tuple[str, float, str]]:
    """Who reports each event, when it was, and what it was."""
    return [(one.endpoint, one.event.time, one.event.type) for one in found]


def owned_by(*endpoints: str) -> dict[str, Sequence[str]]:
    """The owners of the shard s."""
    return {"s": endpoints}


def test_events_that_two_copies_report_are_given_as_one_saw_them() -> None:
    first = events("a", (1.0, "s", "added"), (1.1, "s", "up"), (9.0, "s", "down"))
    second = events("b", (0.5, "s", "added"), (0.6, "s", "up"), (9.2, "s", "down"))
    found = merged_events([first, second], lambda _: ["a", "b"])
    assert times(found) == [("b", 0.5, "added"), ("b", 0.6, "up"), ("b", 9.2, "down")]
    assert {(one.node, one.epoch, one.event.number) for one in found} == {
        ("node-b", ord("b"), number) for number in (1, 2, 3)
    }


def test_a_daemon_that_has_restarted_does_not_hide_the_history() -> None:
    restarted = events("a", (8.0, "s", "added"), (8.1, "s", "up"))
    other = events("b", (1.0, "s", "added"), (5.0, "s", "down"), (8.5, "s", "up"))
    assert {who for who, _, _ in times(merged_events([restarted, other], lambda _: []))} == {"b"}
    assert len(merged_events([restarted], lambda _: [])) == 2


@pytest.mark.parametrize("owners", [["a"], []])
def test_the_former_daemon_of_a_shard_has_what_happened_before_it_moved(owners: list[str]) -> None:
    former = events("b", (1.0, "s", "added"), (5.0, "s", "down"), (8.2, "s", "removed"))
    present = events("a", (8.0, "s", "added"), (9.0, "s", "up"))
    assert times(merged_events([former, present], lambda _: owners)) == [
        ("b", 1.0, "added"),
        ("b", 5.0, "down"),
        ("a", 8.0, "added"),
        ("a", 9.0, "up"),
    ]


def test_events_of_a_removed_shard_are_given_once() -> None:
    copies = [events(name, (1.0, "s", "added"), (2.0, "s", "removed")) for name in "ab"]
    assert len(merged_events(copies, lambda _: ["a", "b"])) == 2
    assert len(merged_events(copies, lambda _: [])) == 2


def test_events_of_the_daemons_themselves_are_all_given() -> None:
    found = merged_events(
        [events("b", (2.0, "", "fault")), events("a", (2.0, "", "fault"))], owned_by
    )
    assert times(found) == [("a", 2.0, "fault"), ("b", 2.0, "fault")]


# --- owners


def member(name: str, number: int | None, count: int = 3, by: str = "id") -> Member[str]:
    """A daemon that has answered."""
    made = Member(name, name)
    slice_ = {"number": number, "count": count, "copies": min(2, count), "by": by}
    made.on_hello({"node": name, "epoch": 1, "slice": None if number is None else slice_})
    return made


IDS = [f"shard-{number}" for number in range(40)]


def test_the_first_copy_is_asked_and_then_the_others() -> None:
    fleet = [member(str(number), number) for number in range(3)]
    owners = Owners(fleet)
    first = owners.first(IDS)
    assert sorted(shard for ids in first.values() for shard in ids) == sorted(IDS)
    others = owners.others(IDS, first)
    for shard in IDS:
        one, two = slices_of(shard, 3, 2)
        assert shard in first[fleet[one]]
        assert shard in others[fleet[two]]
        assert owners.of(shard) == [fleet[one], fleet[two]]
    assert owners.others(IDS, {**first, **dict.fromkeys(fleet, IDS)}) == {}


def test_a_daemon_that_was_silent_is_asked_last() -> None:
    fleet = [member(str(number), number) for number in range(3)]
    fleet[1].problem = "no reply"
    assert fleet[1] not in Owners(fleet).first(IDS)
    for one in fleet:
        one.problem = "no reply"
    assert fleet[1] in Owners(fleet).first(IDS)


def test_while_a_fleet_is_resized_both_groups_are_asked() -> None:
    fleet = [member("old", 0, 1), *(member(str(number), number, 2) for number in range(2))]
    first = Owners(fleet).first(IDS)
    assert first[fleet[0]] == IDS
    assert sorted(first[fleet[1]] + first[fleet[2]]) == sorted(IDS)


@pytest.mark.parametrize(
    "other", [member("x", None), member("x", 0, by="cluster"), Member("x", "x")]
)
def test_daemons_whose_shards_are_not_known_by_id_are_asked_for_all(other: Member[str]) -> None:
    owners = Owners([member("a", 0, 1), other])
    assert owners.first(IDS) == {owners.of("s")[0]: IDS, other: IDS}
    assert owners.others(IDS, owners.first(IDS)) == {}
