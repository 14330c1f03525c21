"""`zinfo shards` and `zinfo stats`."""

from __future__ import annotations

import json
import time

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import invoke
from tests.daemons import RunningDaemon
from tests.waiting import wait_until
from zinfo.cli.shards import _echo_table


def test_shards_are_a_table_with_errors_below(fleet: Fleet) -> None:
    wait_until(lambda: "refused" in invoke("shards", daemon=fleet.daemon).stdout, what="a failure")
    done = invoke("shards", daemon=fleet.daemon)
    heading, *rows = done.stdout.splitlines()
    assert heading.split() == [
        *("SHARD", "STATE", "FOR", "ROLE", "VERSION", "INTERVAL", "AGE", "REVISION", "LABELS")
    ]
    cells = {row.split()[0]: row.split() for row in rows[:3]}
    assert cells.keys() == {fleet.first.ident, fleet.second.ident, fleet.dead}
    assert [cells[fleet.first.ident][at] for at in (1, 3, 4)] == ["up", "s", "primary"]
    assert cells[fleet.second.ident][-1] == "role=cache"
    assert cells[fleet.dead][1:3] == ["down", "(refused)"]
    assert cells[fleet.dead][4:7] == ["s", "-", "-"]
    assert rows[3] == ""
    assert rows[4].startswith(f"{fleet.dead}: ")
    assert "refused" in rows[4]
    assert len({row.index(" s  ") for row in rows[:2]}) == 1, "the columns are aligned"


def test_shards_in_json_are_the_daemons_reply(fleet: Fleet) -> None:
    done = invoke("shards", "--json", daemon=fleet.daemon)
    found = {shard["id"]: shard for shard in map(json.loads, done.stdout.splitlines())}
    assert found.keys() == {fleet.first.ident, fleet.second.ident, fleet.dead}
    assert found[fleet.second.ident]["labels"] == {"role": "cache"}
    assert found[fleet.dead]["age"] is None
    assert 0 < found[fleet.dead]["since"] <= time.time()


def test_wide_characters_do_not_move_the_columns(capsys: pytest.CaptureFixture[str]) -> None:
    _echo_table([{"id": "緩存", "state": "up"}, {"id": "cache", "state": "up"}], now=0)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "緩存   up     -    -     -        -         -    -",
        "cache  up     -    -     -        -         -    -",
    ]


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        (1000.0, "1 h 2 min"),
        (4720.5, "0.0 s"),  # the clock of the daemon is ahead
        (None, "-"),
        ("yesterday", "-"),
    ],
)
def test_the_time_since_the_state_began_is_shown(
    since: object, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _echo_table([{"id": "a", "state": "down", "reason": "auth", "since": since}], now=4720.0)
    assert f"down (auth)  {shown}" in capsys.readouterr().out


def test_a_daemon_without_shards_is_reported() -> None:
    with RunningDaemon(environ={"ZINFO_LOCAL_ENABLED": "false"}) as daemon:
        done = invoke("shards", daemon=daemon)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "the daemon polls no shards\n"


def test_stats_are_lines_of_name_and_value(fleet: Fleet) -> None:
    done = invoke("stats", daemon=fleet.daemon)
    values = dict(line.split() for line in done.stdout.splitlines())
    assert float(values["uptime"]) > 0
    assert int(values["poll.replies"]) > 0
    assert values["shards.up"] == "2"
    assert len({line.rindex("  ") for line in done.stdout.splitlines()}) == 1, "aligned"


def test_stats_in_json_are_one_object(fleet: Fleet) -> None:
    (line,) = invoke("stats", "--json", daemon=fleet.daemon).stdout.splitlines()
    assert json.loads(line)["shards"]["up"] == 2
