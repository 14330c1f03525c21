"""Which slices of a fleet are missing, and when none is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zinfo.client.fleet_coverage import MemberReport, MissingSlice, coverage
from zinfo.errors import MissingSlicesError, NoAnswerError
from zinfo.wire.slices import SliceSpec, slice_from_map, slices_of


def part(number: int, *, answers: bool = True, count: int = 3, copies: int = 2) -> MemberReport:
    """A daemon with a slice."""
    name, problem = f"tcp://{number}-of-{count}:1", "" if answers else "no reply"
    return MemberReport(name, SliceSpec(number, count, copies), True, answers, problem)


def plain(name: str, *, answers: bool = True) -> MemberReport:
    """A daemon without a slice."""
    return MemberReport(name, None, True, answers, "" if answers else "no reply")


def unknown(name: str = "tcp://x:1") -> MemberReport:
    """A daemon that never answered."""
    return MemberReport(name, None, False, False, "no reply")


def lines(*reports: MemberReport) -> list[str]:
    """What is missing, in text."""
    found = coverage(reports)
    assert found.complete == (not found.missing)
    return [str(missing) for missing in found.missing]


def test_nothing_is_missing_while_fewer_slices_than_copies_are_silent() -> None:
    assert lines(part(0), part(1), part(2)) == []
    assert lines(part(0), part(1, answers=False), part(2)) == []
    assert lines(part(0), part(1)) == []


def test_each_silent_slice_is_missing_where_shards_may_be() -> None:
    assert lines(part(0), part(1, answers=False), part(2, answers=False)) == [
        "slice 1 of 3 (tcp://1-of-3:1: no reply)",
        "slice 2 of 3 (tcp://2-of-3:1: no reply)",
    ]


def test_a_slice_of_which_no_daemon_is_known_is_missing() -> None:
    assert lines(part(0, copies=1), part(2, copies=1)) == [
        "slice 1 of 3 (no daemon of this slice is known)"
    ]


def test_a_daemon_that_never_answered_is_missing_only_where_a_slice_is() -> None:
    assert lines(part(0), part(1), unknown()) == []
    assert lines(part(0), part(1, answers=False), unknown()) == [
        "slice 1 of 3 (tcp://1-of-3:1: no reply)",
        "tcp://x:1: no reply",
    ]
    assert lines(unknown()) == ["tcp://x:1: no reply"]


def test_each_daemon_without_a_slice_has_to_answer() -> None:
    assert lines(plain("tcp://a:1"), plain("tcp://b:1")) == []
    assert lines(plain("tcp://a:1"), plain("tcp://b:1", answers=False)) == ["tcp://b:1: no reply"]
    assert lines(plain("tcp://a:1"), unknown()) == ["tcp://x:1: no reply"]
    assert lines(plain("tcp://a:1", answers=False), part(0), part(1)) == ["tcp://a:1: no reply"]
    assert lines(plain("tcp://a:1"), part(0), part(1), unknown()) == ["tcp://x:1: no reply"]


def test_one_complete_group_is_enough_while_a_fleet_is_resized() -> None:
    new = part(3, count=4)
    assert lines(part(0), part(1), part(2, answers=False), new) == []
    assert lines(part(0), new, part(2, count=4), part(1, count=4)) == []
    assert lines(part(0), part(1, answers=False), new, part(2, count=4)) == [
        "slice 0 of 4 (no daemon of this slice is known)",
        "slice 1 of 4 (no daemon of this slice is known)",
    ]


def test_two_daemons_of_one_slice_count_once() -> None:
    assert lines(part(0), part(0)) == [
        "slice 1 of 3 (no daemon of this slice is known)",
        "slice 2 of 3 (no daemon of this slice is known)",
    ]
    assert lines(part(0), part(0, answers=False), part(1)) == []


def test_no_daemon_has_no_shards() -> None:
    assert not coverage([]).complete


@given(
    key=st.text(),
    count=st.integers(1, 6),
    data=st.data(),
)
def test_a_complete_group_has_a_daemon_with_each_shard(
    key: str, count: int, data: st.DataObject
) -> None:
    copies = data.draw(st.integers(1, count))
    answering = data.draw(st.sets(st.integers(0, count - 1)))
    reports = [
        part(number, answers=number in answering, count=count, copies=copies)
        for number in range(count)
    ]
    found = coverage(reports)
    if found.complete:
        assert answering & set(slices_of(key, count, copies))
    else:
        assert len(found.missing) == count - len(answering) >= copies


def test_the_error_names_what_is_missing() -> None:
    missing = [MissingSlice("tcp://a:1", SliceSpec(1, 3), "no reply")]
    error = MissingSlicesError(missing, [1])
    assert str(error) == "shards may be missing: slice 1 of 3 (tcp://a:1: no reply)"
    assert error.missing == tuple(missing)
    assert error.partial == [1]
    assert isinstance(error, NoAnswerError)


def test_a_slice_that_is_not_valid_counts_as_none() -> None:
    valid = {"number": 1, "count": 3, "copies": 2, "by": "cluster", "new": 1}
    assert slice_from_map(valid) == SliceSpec(1, 3, 2, "cluster")
    for name, value in [("number", 3), ("number", "1"), ("count", True), ("copies", 4), ("by", 1)]:
        assert slice_from_map({**valid, name: value}) is None
        assert slice_from_map({key: valid[key] for key in valid if key != name}) is None
    assert slice_from_map(None) is None
    assert slice_from_map([1, 3]) is None
