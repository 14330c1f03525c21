"""What the demo's table, lines and summary look like."""

from __future__ import annotations

import io
import json
import math
import re
from typing import Any

import pytest
from rich.console import Console

from tests.top.building import row
from zinfo.client import Event
from zinfo.demo.feed import BACK_UP, kind_of
from zinfo.demo.lines import row_as_map
from zinfo.demo.screen import Frame, Summary, draw
from zinfo.views.rows import Row

SHARD = "127.0.0.1:29999"

WIDEST = row(
    SHARD,
    state="loading",
    role="slave",
    version="7.0.150",
    ops=999_900,
    memory=1023 << 20,
    clients=99_999,
    keys=123_456_789,
    hit_ratio_overall=1.0,
    interval=2.5,
    age=9.9,
    revision=1000,
)
"""A shard whose every cell is as long as possible."""


def shard(**more: Any) -> Row:
    return row(SHARD, **more)


def event(type_: str, old: str | None, new: str | None, reason: str = "") -> Event:
    return Event(SHARD, type_, old, new, reason, "", 1, 1, 1_795_000_000.0)


def frame(rows: list[Row], events: list[Event] | None = None, problem: str = "") -> Frame:
    program, query = "valkey-server 8.1.88", "tcp://127.0.0.1:65535"
    return Frame(program, query, 1234.5, rows, events or [], problem)


def drawn(what: Frame, width: int = 80, height: int = 24) -> list[str]:
    """The lines of a frame on a screen of this size, none of which is wider than the screen."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    with console.capture() as captured:
        console.print(draw(what, width, height))
    lines = captured.get().splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    return [line.rstrip() for line in lines]


def test_nothing_is_cut_off_at_80_columns() -> None:
    lines = drawn(frame([WIDEST]))
    head = next(line for line in lines if line.startswith("shard"))
    assert head == (
        "shard            state   role    ops/s memory  hits clients  keys interval   age"
    )
    assert lines[lines.index(head) + 1] == (
        "127.0.0.1:29999  loading replica  1.0M   1.0G ~100%    100k  123M     2.5s  9.9s"
    )


def test_a_wider_screen_shows_the_version_too() -> None:
    lines = drawn(frame([WIDEST]), 100)
    assert any(re.search(r"loading replica 7\.0\.150", line) for line in lines)


def test_the_head_says_what_is_shown_how_to_query_it_and_how_to_end_it() -> None:
    head = drawn(frame([WIDEST] * 32))[:3]
    assert head[0] == "zinfo demo: 32 x valkey-server 8.1.88, 1234 s; Ctrl-C ends it"
    assert head[1].endswith(".")  # the sentence is not cut off
    assert head[2].endswith("zinfo get --connect tcp://127.0.0.1:65535")


def test_a_stale_shard_is_marked_and_the_reason_is_shown() -> None:
    lines = drawn(frame([shard(fresh=False)], problem="no heartbeat for 3.2 s"))
    assert lines[1] == "STALE: no heartbeat for 3.2 s"
    assert any(line.startswith(f"{SHARD}  stale ") for line in lines)


def test_the_newest_events_are_shown_one_per_line_the_newest_last() -> None:
    many = [event("up", "new", "up")] * 50
    lines = drawn(frame([WIDEST] * 3, [*many, event("down", "up", "down", "refused")]))
    assert len(lines) == 24
    assert re.fullmatch(r"\d\d:\d\d:\d\d  127\.0\.0\.1:29999  down: refused \(was up\)", lines[-1])
    assert sum(line.endswith("up (was new)") for line in lines) == 13


def test_more_shards_than_lines_leave_room_for_some_events() -> None:
    lines = drawn(frame([WIDEST] * 32, [event("up", "new", "up")] * 9))
    assert "... and 19 more" in lines
    assert sum(line.endswith("up (was new)") for line in lines) == 3


@pytest.mark.parametrize(("width", "height"), [(20, 24), (1, 24), (200, 60)])
def test_a_frame_fits_any_screen(width: int, height: int) -> None:
    assert drawn(frame([WIDEST] * 3, [event("up", "new", "up")]), width, height)


def test_only_an_up_after_a_down_counts_as_up_again() -> None:
    assert kind_of(event("up", "down", "up")) == BACK_UP
    assert kind_of(event("up", "new", "up")) == "up"


def test_the_summary_counts_servers_that_went_down_and_came_back() -> None:
    lines = Summary(seconds=15.2, polls=70, events=9, down=2, up_again=1).lines()
    assert lines[0].startswith("15 s, 70 polls, 9 events: 2 down, 1 up again.")
    assert all(len(line) <= 80 for line in lines)


def test_json_has_the_role_of_info_and_null_for_unknown_values() -> None:
    found = row_as_map(
        shard(role="slave", age=math.inf, interval=None, ops=0, memory=0, clients=1, keys=0)
    )
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "shard": SHARD,
        "state": "up",
        "role": "slave",
        "version": "7.0.15",
        "ops": 0,
        "memory": 0,
        "clients": 1,
        "keys": 0,
        "hit_ratio": None,
        "interval": None,
        "age": None,
        "revision": 1,
        "stale": False,
    }
