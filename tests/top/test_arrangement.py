"""The lines of the table: filtered, sorted, grouped and folded."""

from __future__ import annotations

from tests.top.building import row
from zinfo.top.terminal.arrangement import Arrangement, GroupLine
from zinfo.views.filtering import Filter

ROWS = [
    row("a-1", labels={"site": "ams"}, info={"used_memory": 5}),
    row("a-2", labels={"site": "ams"}, info={"used_memory": 7}),
    row("f-1", labels={"site": "fra"}, info={"used_memory": 9}),
    row("x-1", info={"used_memory": 1}),
]


def shown(arrangement: Arrangement) -> list[str]:
    return [
        f"{'+' if item.folded else '-'}{item.group.title}"
        if isinstance(item, GroupLine)
        else item.shard
        for item in arrangement.arrange(ROWS).items
    ]


def test_groups_are_folded_at_first_and_unfolded_one_by_one_or_all() -> None:
    arrangement = Arrangement()
    arrangement.choose_grouping("label:site")
    assert shown(arrangement) == ["+ams", "+fra", "+(none)"]
    arrangement.toggle("fra")
    assert shown(arrangement) == ["+ams", "-fra", "f-1", "+(none)"]
    arrangement.fold_all(folded=False)
    assert shown(arrangement) == ["-ams", "a-1", "a-2", "-fra", "f-1", "-(none)", "x-1"]
    arrangement.toggle("ams")
    assert shown(arrangement)[:2] == ["+ams", "-fra"]
    arrangement.choose_grouping("")
    assert shown(arrangement) == ["a-1", "a-2", "f-1", "x-1"]


def test_the_order_applies_to_groups_and_within_them() -> None:
    arrangement = Arrangement()
    arrangement.choose_grouping("label:site")
    arrangement.fold_all(folded=False)
    arrangement.choose_sort("memory")
    assert shown(arrangement) == ["-ams", "a-2", "a-1", "-fra", "f-1", "-(none)", "x-1"]
    assert not arrangement.ascending
    arrangement.choose_sort("memory")
    assert arrangement.ascending
    assert shown(arrangement) == ["-(none)", "x-1", "-fra", "f-1", "-ams", "a-1", "a-2"]


def test_groups_and_their_totals_follow_the_filter() -> None:
    arrangement = Arrangement()
    arrangement.choose_grouping("label:site")
    arrangement.filter = Filter("used_memory>5")
    arranged = arrangement.arrange(ROWS)
    assert [
        (item.group.title, item.group.totals.shards)
        for item in arranged.items
        if isinstance(item, GroupLine)
    ] == [("ams", 1), ("fra", 1)]
    assert (len(arranged.rows), arranged.total, arranged.grouped) == (2, 4, True)


def test_it_says_which_fields_it_reads() -> None:
    arrangement = Arrangement()
    assert not arrangement.fields
    arrangement.filter = Filter("used_memory_rss>1")
    arrangement.choose_sort("net_in")
    arrangement.choose_grouping("primary")
    assert {"used_memory_rss", "total_net_input_bytes", "master_replid"} <= arrangement.fields
