"""The output of `zinfo top --once`: what is selected, and its three forms."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from tests.top.building import row
from zinfo.top.once import DEFAULT_COLUMNS, Query, lacks_rates, listing, misspelt, query
from zinfo.top.once_output import csv_lines, json_value, text_lines
from zinfo.views.filtering import Known
from zinfo.views.rows import Row

ROWS = [
    row("db-10", memory=1536 * 1024, ops=1200, labels={"site": "fra"}),
    row("db-2", memory=500, ops=7, labels={"site": "ams"}, role="slave", hit_ratio=0.995),
    row(
        "db-3", state="down", reason="refused", memory=900, ops=5, labels={"site": "fra"},
        error="connection refused", age=75.0,
    ),
    row("db-1", state="new", role=None, version=None, age=math.inf, info={}),
]  # fmt: skip

NARROW = ("id", "state", "role", "memory", "ops")


def lines(asked: Query, width: int | None = None, rows: list[Row] = ROWS) -> list[str]:
    return list(text_lines(asked, listing(asked, rows), width))


def test_text_is_aligned_and_short_and_unknown_is_a_dash() -> None:
    assert lines(query(NARROW)) == [
        "shard  state          role     memory  ops/s",
        "db-1   new            -             -      -",
        "db-2   up             replica    500B      7",
        "db-3   down: refused  primary    900B      -",
        "db-10  up             primary    1.5M   1.2k",
    ]


def test_rows_are_filtered_sorted_and_limited() -> None:
    asked = query(["id"], wanted="memory>0", sort="memory", limit=2)
    assert lines(asked) == ["shard", "db-2", "db-3"]
    found = listing(asked, ROWS)
    assert (found.shown, found.matching, found.total) == (2, 3, 4)
    assert lines(query(["id"], sort="-memory", limit=1)) == ["shard", "db-10"]


def test_groups_have_a_line_with_totals_and_their_shards() -> None:
    asked = query(("id", "state", "memory", "ops"), group="label:site", sort="-ops")
    assert lines(asked) == [
        "shard       state          memory  ops/s",
        "fra (2)                      1.5M   1.2k",
        "  db-10     up               1.5M   1.2k",
        "  db-3      down: refused    900B      -",
        "ams (1)                         -      7",
        "  db-2      up               500B      7",
        "(none) (1)                      -      -",
        "  db-1      new                 -      -",
    ]


def test_a_terminal_gets_shorter_ids_and_no_line_that_wraps() -> None:
    rows = [row("prod-ap-southeast-1-cache-0017.abcdef.cache.amazonaws.com:6379", memory=1)]
    asked = query(("id", "state", "memory"))
    assert [len(line) <= 40 for line in lines(asked, 40, rows)] == [True, True]
    begin, cut, end = lines(asked, 40, rows)[1].split()[0].partition("~")
    assert cut
    assert rows[0].shard.startswith(begin)
    assert rows[0].shard.endswith(end)
    assert rows[0].shard in lines(asked, None, rows)[1]
    assert max(map(len, lines(query(DEFAULT_COLUMNS), 20))) <= 20


def test_text_of_others_cannot_control_a_terminal() -> None:
    hostile = row("a\x1b[31m\nb", labels={"x": "\x07"})
    asked = query(("id", "label:x"), group="label:x")
    for line in [*lines(asked, None, [hostile]), *csv_lines(asked, listing(asked, [hostile]))]:
        assert line.isprintable()


def test_csv_has_exact_numbers_and_nothing_for_unknown_values() -> None:
    asked = query(("id", "state", "reason", "memory", "hits", "age"), sort="id")
    text = "\r\n".join(csv_lines(asked, listing(asked, ROWS)))
    assert list(csv.reader(io.StringIO(text))) == [
        ["id", "state", "reason", "memory", "hits", "age"],
        ["db-1", "new", "", "", "", ""],
        ["db-2", "up", "", "500", "0.995", "0.25"],
        ["db-3", "down", "refused", "900", "", "75.0"],
        ["db-10", "up", "", "1572864", "", "0.25"],
    ]


def test_csv_of_groups_has_a_column_for_the_group() -> None:
    asked = query(("id",), group="label:site", wanted="db-3")
    assert list(csv_lines(asked, listing(asked, ROWS))) == ["group,id", "fra,db-3"]


def test_no_text_in_csv_is_taken_for_a_formula() -> None:
    asked = query(("id", "label:x"))
    hostile = row("=cmd()", labels={"x": "@SUM(1)"})
    assert list(csv_lines(asked, listing(asked, [hostile])))[1:] == ["'=cmd(),'@SUM(1)"]


def test_json_has_exact_values_and_null_for_unknown_ones() -> None:
    asked = query(("id", "state", "memory", "label:site", "db0", "age"), wanted="db-1")
    value = json.loads(json.dumps(json_value(asked, listing(asked, ROWS)), allow_nan=False))
    assert value == [
        {
            "id": "db-1", "state": "new", "memory": None, "label:site": None, "db0": None,
            "age": None,
        },
        {
            "id": "db-10", "state": "up", "memory": 1572864, "label:site": "fra", "db0": None,
            "age": 0.25,
        },
    ]  # fmt: skip


def test_json_of_groups_has_totals() -> None:
    asked = query(("id",), group="label:site", wanted="site=fra")
    (group,) = json.loads(json.dumps(json_value(asked, listing(asked, ROWS))))
    assert group["group"] == "fra"
    assert group["shards"] == [{"id": "db-3"}, {"id": "db-10"}]
    assert (group["totals"]["memory"], group["totals"]["states"]) == (
        1572864,
        {"up": 1, "down": 1},
    )


def test_the_fields_of_all_parts_are_read() -> None:
    asked = query(
        ("id", "used_memory_rss"), wanted="evicted_keys/s>0", sort="tcp_port", group="primary"
    )
    assert {"used_memory_rss", "evicted_keys", "tcp_port", "master_host"} <= asked.fields
    assert query(("id", "memory")).fields == {"used_memory"}


@pytest.mark.parametrize(
    ("columns", "sort", "wanted", "problem"),
    [
        (["used_memry"], "", "", "no shard has the field used_memry, did you mean used_memory?"),
        (["id"], "-tcp_prt", "", "no shard has the field tcp_prt, did you mean tcp_port?"),
        (["db0.keys", "tcp_port/s", "label:x", "db0", "master_host"], "", "", ""),
        (["id"], "", "tcp_prt>1", "tcp_p"),
    ],
)
def test_a_name_that_no_shard_has_is_reported_with_the_nearest_one(
    columns: list[str], sort: str, wanted: str, problem: str
) -> None:
    known = Known(frozenset({"used_memory", "tcp_port", "db0.keys"}), frozenset({"site"}))
    found = misspelt(query(columns, sort=sort, wanted=wanted), known)
    assert found.startswith(problem) if problem else not found
    assert not misspelt(query(columns, sort=sort, wanted=wanted), Known()), "nothing is known yet"


def test_rates_are_waited_for_only_where_a_column_needs_them() -> None:
    once, twice = row("a"), row("b")._replace(rates={"evicted_keys": 0.0})
    down = row("c", state="down")
    assert lacks_rates(query(("id", "evicted_keys/s")), [once, twice, down]) == 1
    assert lacks_rates(query(("id", "memory", "age")), [once, twice, down]) == 0
    assert lacks_rates(query(("id", "ops")), [row("a", ops=5)]) == 0
