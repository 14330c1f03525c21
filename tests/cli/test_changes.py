"""From deltas to changes with old values, where these are known."""

from __future__ import annotations

import pytest

from zinfo.cli.changes import UNKNOWN, KnownFields
from zinfo.client import Delta
from zinfo.client.updates import Info

Changes = list[tuple[str, object, object]]


def updated(fields: KnownFields, revision: int, info: Info, shard: str = "a") -> Changes:
    meta: Info = {"shard_identifier": shard, "revision": revision, "time": 1.0}
    return [(one.field, one.old, one.new) for one in fields.update({**info, "meta": meta})]


def applied(fields: KnownFields, revision: int, base: int, set_: Info, *unset: str) -> Changes:
    delta = Delta("a", revision, base, 1.0, set_, unset)
    return [(one.field, one.old, one.new) for one in fields.apply(delta)]


def test_after_an_update_every_old_value_is_known() -> None:
    fields = KnownFields()
    assert updated(fields, 5, {"x": 1, "y": "a"}) == []
    assert applied(fields, 6, 5, {"x": 2, "z": 9}, "y") == [
        ("x", 1, 2),
        ("z", None, 9),
        ("y", "a", None),
    ]
    assert applied(fields, 7, 6, {"y": "b"}) == [("y", None, "b")]


def test_a_delta_older_than_the_update_is_no_change() -> None:
    fields = KnownFields()
    updated(fields, 5, {"x": 2})
    assert applied(fields, 5, 4, {"x": 2}) == []
    assert updated(fields, 4, {"x": 1}) == []
    assert applied(fields, 6, 5, {"x": 3}) == [("x", 2, 3)]


def test_the_first_info_of_a_shard_is_all_new() -> None:
    assert applied(KnownFields(), 1, 0, {"x": 1}) == [("x", None, 1)]


def test_a_whole_info_shows_removed_fields() -> None:
    fields = KnownFields()
    updated(fields, 5, {"x": 1, "y": 2})
    assert applied(fields, 9, 0, {"x": 1, "z": 3}) == [("y", 2, None), ("z", None, 3)]


def test_after_a_loss_old_values_are_not_guessed() -> None:
    fields = KnownFields()
    updated(fields, 5, {"x": 1, "y": 1})
    assert applied(fields, 8, 7, {"x": 4}, "y") == [("x", UNKNOWN, 4), ("y", UNKNOWN, None)]
    assert applied(fields, 9, 8, {"x": 5, "z": 1}) == [("x", 4, 5), ("z", UNKNOWN, 1)]


def test_an_update_after_a_loss_returns_the_missed_changes() -> None:
    fields = KnownFields()
    updated(fields, 5, {"x": 1, "y": 1})
    assert updated(fields, 8, {"x": 3, "z": 1}) == [("x", 1, 3), ("y", 1, None), ("z", None, 1)]
    assert applied(fields, 9, 8, {"x": 4}) == [("x", 3, 4)]


def test_an_update_returns_nothing_about_fields_that_were_never_seen() -> None:
    fields = KnownFields()
    assert applied(fields, 8, 7, {"x": 4}) == [("x", UNKNOWN, 4)]
    assert updated(fields, 9, {"x": 5, "other": 1}) == [("x", 4, 5)]


@pytest.mark.parametrize(
    ("keys", "prefix", "expected"),
    [
        ((), False, {"db0", "db1", "role"}),
        (("db",), False, set()),
        (("db", "role"), True, {"db0", "db1", "role"}),
        (("role",), False, {"role"}),
    ],
)
def test_only_selected_fields_are_returned(
    keys: tuple[str, ...], prefix: bool, expected: set[str]
) -> None:
    fields = KnownFields(keys, prefix)
    changes = applied(fields, 1, 0, {"db0": 1, "db1": 1, "role": "master"})
    assert {name for name, _, _ in changes} == expected


def test_forgotten_values_are_not_compared() -> None:
    fields = KnownFields()
    updated(fields, 5, {"x": 1})
    updated(fields, 5, {"x": 1}, "b")
    fields.forget("a")
    assert updated(fields, 6, {"x": 2}) == []
    assert updated(fields, 6, {"x": 2}, "b") == [("x", 1, 2)]
    fields.forget()
    assert updated(fields, 7, {"x": 3}, "b") == []
