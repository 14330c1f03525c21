"""What the demo's table looks like, as text, and the short words in it."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from zinfo.client import Event, View
from zinfo.demo.feed import kind_of, row
from zinfo.demo.rows import (
    Row,
    count_text,
    event_text,
    hit_ratio,
    keys_in,
    memory_text,
    ratio_text,
    seconds_text,
)
from zinfo.demo.screen import Picture, Summary, draw

WIDEST = Row(
    shard="127.0.0.1:29999",
    state="loading",
    role="master",
    version="7.0.150",
    ops=999_900,
    memory=1023 << 20,
    clients=99_999,
    keys=123_456_789,
    hit_ratio=1.0,
    interval=2.5,
    age=9.9,
    revision=1000,
)
"""A shard whose every cell is as long as it gets."""

RUN_IDS = ("c8ba2388" * 5, "22097eee" * 5)


def event(type_: str, old: str | None, new: str | None, reason: str = "") -> Event:
    return Event("127.0.0.1:29999", type_, old, new, reason, "", 1, 1, 1_795_000_000.0)


def picture(rows: list[Row], events: list[Event] | None = None, problem: str = "") -> Picture:
    program, query = "valkey-server 8.1.88", "tcp://127.0.0.1:65535"
    return Picture(program, query, 1234.5, rows, events or [], problem)


def drawn(what: Picture, width: int = 80, height: int = 24) -> list[str]:
    """The lines of a picture on a screen of a size; nothing of it is wider, whatever it holds."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    with console.capture() as captured:
        console.print(draw(what, width, height))
    lines = captured.get().splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    return [line.rstrip() for line in lines]


def test_nothing_is_cut_off_at_80_columns() -> None:
    lines = drawn(picture([WIDEST]))
    head = next(line for line in lines if line.startswith("shard"))
    assert head == (
        "shard           state   role   version ops/s memory clients keys hits every  age"
    )
    assert lines[lines.index(head) + 1] == (
        "127.0.0.1:29999 loading master 7.0.150  1.0M   1.0G    100k 123M 100%  2.5s 9.9s"
    )


def test_the_head_says_what_is_seen_where_to_ask_and_how_to_end_it() -> None:
    head = drawn(picture([WIDEST] * 32))[:3]
    assert head[0] == "zinfo demo: 32 x valkey-server 8.1.88, 1234 s; Ctrl-C ends it"
    assert head[1].endswith(".")  # the sentence is whole
    assert head[2].endswith("zinfo get --connect tcp://127.0.0.1:65535")


def test_unknown_values_are_dashes() -> None:
    lines = drawn(picture([Row("127.0.0.1:29999", "new")]))
    assert (
        "127.0.0.1:29999 new     -      -           -      -       -    -    -     -    -" in lines
    )


def test_a_stale_shard_is_marked_and_the_reason_told() -> None:
    stale = Row("127.0.0.1:29999", "up", interval=0.5, age=12, stale=True)
    lines = drawn(picture([stale], problem="no heartbeat for 3.2 s"))
    assert lines[1] == "STALE: no heartbeat for 3.2 s"
    assert any(line.endswith(" STALE  12s") for line in lines)


def test_the_newest_events_are_shown_each_in_a_line_the_newest_last() -> None:
    many = [event("up", "new", "up")] * 50
    lines = drawn(picture([WIDEST] * 3, [*many, event("down", "up", "down", "refused")]))
    assert len(lines) == 24
    assert re.fullmatch(r"\d\d:\d\d:\d\d  127\.0\.0\.1:29999  down \(was up\): refused", lines[-1])
    assert sum(line.endswith("up (was new)") for line in lines) == 13


def test_more_shards_than_lines_leave_room_for_some_events() -> None:
    lines = drawn(picture([WIDEST] * 32, [event("up", "new", "up")] * 9))
    assert "... and 19 more" in lines
    assert sum(line.endswith("up (was new)") for line in lines) == 3


def test_every_screen_gets_something(  # a small one, too, and a wide one
) -> None:
    for width, height in ((20, 5), (1, 1), (200, 60)):
        assert drawn(picture([WIDEST] * 3, [event("up", "new", "up")]), width, max(height, 24))
    wide = drawn(picture([WIDEST]), 120)
    assert any("127.0.0.1:29999  loading  master" in line for line in wide)


def test_a_row_is_taken_from_what_daemon_and_mirror_say() -> None:
    entry = {
        "id": "a",
        "state": "up",
        "role": "master",
        "version": "7.0.15",
        "interval": 1.5,
    }
    info: dict[str, Any] = {
        "instantaneous_ops_per_sec": 12,
        "used_memory": 3_000_000,
        "connected_clients": 4,
        "keyspace_hits": 3,
        "keyspace_misses": 1,
        "db0": {"keys": 5, "expires": 1},
        "db3": {"keys": 2},
        "db_size": 99,
    }
    view = View(revision=7, state="up", info=info, fresh=True)
    assert row(entry, view, 0.25) == Row(
        "a", "up", "master", "7.0.15", 12, 3_000_000, 4, 7, 0.75, 1.5, 0.25, 7, False
    )
    empty = row(entry, View(0, "new", None, False), math.inf)
    assert (empty.ops, empty.keys, empty.hit_ratio, empty.stale) == (None, None, None, True)


def test_values_that_are_no_numbers_are_not_counted() -> None:
    assert keys_in({"db0": "keys=1", "db1": {"keys": "many"}, "db2": {"keys": 3}}) == 3
    assert hit_ratio({"keyspace_hits": "many", "keyspace_misses": 1}) is None
    assert hit_ratio({"keyspace_hits": 0, "keyspace_misses": 0}) is None


@pytest.mark.parametrize(
    ("happened", "text"),
    [
        (event("added", None, "new"), "added"),
        (event("removed", "up", None), "removed"),
        (event("up", "down", "up"), "up (was down)"),
        (event("down", "up", "down", "timeout"), "down (was up): timeout"),
        (event("role_changed", "master", "slave"), "role_changed: master -> slave"),
        (event("restarted", *RUN_IDS), "restarted: run_id c8ba2388 -> 22097eee"),
        (event("polling_error", "up", "up", "timeout"), "polling_error: timeout"),
    ],
    ids=lambda value: value.type if isinstance(value, Event) else "",
)
def test_an_event_is_told_in_few_words(happened: Event, text: str) -> None:
    assert event_text(happened) == text


def test_only_an_up_after_a_down_counts_as_up_again() -> None:
    assert kind_of(event("up", "down", "up")) == "back"
    assert kind_of(event("up", "new", "up")) == "up"


def test_the_summary_counts_what_went_down_and_came_back() -> None:
    lines = Summary(seconds=15.2, polls=70, events=9, down=2, up_again=1).lines()
    assert lines[0].startswith("15 s, 70 polls, 9 events: 2 down, 1 up again.")
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "-"), (0, "0"), (999, "999"), (1000, "1.0k"), (9949, "9.9k"), (9950, "10k"),
        (999_499, "999k"), (999_500, "1.0M"), (1_234_567, "1.2M"),
    ],
)  # fmt: skip
def test_counts_are_short(number: int | None, text: str) -> None:
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "-"), (0, "0B"), (999, "999B"), (1000, "1.0K"), (1024, "1.0K"), (10_240, "10K"),
        (1_048_576, "1.0M"), (1_572_864, "1.5M"), (5 << 40, "5.0T"),
    ],
)  # fmt: skip
def test_sizes_of_memory_are_short(size: int | None, text: str) -> None:
    assert memory_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (math.inf, "-"), (0, "0.0s"), (0.5, "0.5s"), (9.96, "10s"), (99.4, "99s"),
        (99.6, "2m"), (3600, "60m"), (7200, "2h"),
    ],
)  # fmt: skip
def test_seconds_are_short(seconds: float | None, text: str) -> None:
    assert seconds_text(seconds) == text


@given(st.integers(0, 10**14))
def test_no_number_is_wider_than_its_column(number: int) -> None:
    assert len(count_text(number)) <= 4
    assert len(memory_text(number)) <= 5
    assert len(seconds_text(number / 10**7)) <= 5


def test_only_a_full_hit_ratio_is_100_percent() -> None:
    assert [ratio_text(ratio) for ratio in (None, 0.0, 0.5, 0.999, 1.0)] == [
        "-", "0%", "50%", "99%", "100%",
    ]  # fmt: skip
