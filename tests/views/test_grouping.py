"""Groups of rows, their totals, and the order of rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.top.building import row
from tests.views.vectors import rows_of, vectors
from zinfo.views.grouping import GroupingError, group_rows, grouping_fields
from zinfo.views.ordering import ordered
from zinfo.views.peers import Peers, Replica
from zinfo.views.quantities import quantity
from zinfo.views.totals import total_of

VECTORS = vectors("groups")
ROWS = rows_of(VECTORS["rows"])
BY_ID = {one.shard: one for one in ROWS}


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["by"])
def test_rows_are_grouped_as_in_the_vectors(case: dict[str, Any]) -> None:
    rows = [BY_ID[ident] for ident in case["ids"]] if "ids" in case else ROWS
    sort, reverse = case.get("sort", "id"), case.get("reverse", False)
    if "sort" in case:
        rows = ordered(rows, sort, reverse=reverse)
    if "error" in case:
        with pytest.raises(GroupingError, match=r"\A[^\n]+\Z") as caught:
            group_rows(rows, case["by"])
        assert str(caught.value).startswith(case["error"])
        return
    groups = group_rows(rows, case["by"], everything=ROWS, sort=sort, reverse=reverse)
    found = [(one.key, one.title, [row.shard for row in one.rows]) for one in groups]
    assert found == [(one["key"], one["title"], one["ids"]) for one in case["groups"]]
    for group, expected in zip(groups, case["groups"], strict=True):
        totals = group.totals._asdict()
        assert {name: totals[name] for name in expected.get("totals", {})} == expected.get(
            "totals", {}
        )


@pytest.mark.parametrize("case", VECTORS["orders"], ids=lambda case: case["sort"])
def test_rows_are_ordered_as_in_the_vectors(case: dict[str, Any]) -> None:
    rows = [BY_ID[ident] for ident in case["of"]] if "of" in case else ROWS
    found = ordered(rows, case["sort"], reverse=case.get("reverse", False))
    assert [one.shard for one in found] == case["ids"]


def test_any_field_has_a_total_only_where_it_has_a_meaning() -> None:
    """Growth is added up; a field as such may be anything."""
    rows = [row("a", info={"x": 1}, rates={"x": 2}), row("b", info={"x": 5}, rates={"x": 3})]
    assert total_of(quantity("x/s"), rows) == 5
    assert total_of(quantity("x"), rows) is None


def test_a_field_of_numbers_and_texts_can_be_sorted_by() -> None:
    rows = [row(name, info={"x": value}) for name, value in zip("abc", (5, "odd", 7), strict=True)]
    assert [one.shard for one in ordered(rows, "x", reverse=True)] == ["a", "c", "b"]


def test_a_field_that_is_a_map_can_be_sorted_by() -> None:
    rows = [row("a", info={"x": {"y": 1}}), row("b", info={"x": [1, 2]}), row("c")]
    assert {one.shard for one in ordered(rows, "x")} == {"a", "b", "c"}


def test_the_replicas_of_a_primary_are_linked_to_shards() -> None:
    """A replica in the INFO of its primary that is polled has the id of its shard."""
    info: dict[str, Any] = {
        "slave0": {"ip": "p-2", "port": 6379, "state": "online", "offset": 7, "lag": 1},
        "slave1": {"ip": "::9", "port": 1},
        "slave_repl_offset": 4,
    }
    assert Peers(ROWS).replicas(info) == [
        Replica("p-2:6379", "p-2:6379", "online", 1, 7),
        Replica("[::9]:1", "", "", None, None),
    ]


def test_groupings_say_which_fields_they_read() -> None:
    assert "master_replid" in grouping_fields("primary")
    assert "redis_mode" in grouping_fields("cluster")
    assert not grouping_fields("label:site")
