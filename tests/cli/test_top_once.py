"""`zinfo top --once` on a real daemon."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import invoke
from tests.servers import free_port
from zinfo.top.saved_columns import store_saved
from zinfo.views.column_sets import ColumnSet


def test_it_prints_all_shards_on_a_pipe(fleet: Fleet) -> None:
    result = invoke("top", "--once", daemon=fleet.daemon)
    assert result.exit_code == 0, result.output
    heading, *lines = result.stdout.splitlines()
    assert heading.split()[:5] == ["shard", "state", "role", "ops/s", "memory"]
    shown = {line.split()[0]: line for line in lines}
    assert set(shown) == {fleet.first.ident, fleet.second.ident, fleet.dead}
    assert " up " in shown[fleet.first.ident]
    assert "down: refused" in shown[fleet.dead]
    assert result.stderr == ""


def test_any_field_and_its_rate_can_be_a_column(fleet: Fleet) -> None:
    """The rate of a counter is waited for: each poll is a command."""
    columns = "id,tcp_port,total_commands_processed/s,cmdstat_info.calls/s,label:role"
    found = invoke(
        "top", "--once", "--json", "--columns", columns, "--filter", "up", daemon=fleet.daemon
    )
    assert found.exit_code == 0, found.output
    shards = {one["id"]: one for one in json.loads(found.stdout)}
    assert set(shards) == {fleet.first.ident, fleet.second.ident}
    second = shards[fleet.second.ident]
    assert (second["tcp_port"], second["label:role"]) == (fleet.second.port, "cache")
    assert all(one["total_commands_processed/s"] > 0 for one in shards.values())
    assert all(one["cmdstat_info.calls/s"] > 0 for one in shards.values())


def test_csv_is_sorted_and_limited(fleet: Fleet) -> None:
    arguments = ("--csv", "--columns", "id,tcp_port,label:role", "--sort", "-tcp_port", "--limit")
    result = invoke("top", "--once", *arguments, "1", daemon=fleet.daemon)
    port = max(fleet.first.port, fleet.second.port)
    head, line = csv.reader(io.StringIO(result.stdout))
    assert head == ["id", "tcp_port", "label:role"]
    assert line[1] == str(port)


def test_groups_and_a_filter_that_shows_nothing(fleet: Fleet) -> None:
    result = invoke("top", "--once", "--group", "label:role", daemon=fleet.daemon)
    assert {"cache (1)", "(none) (2)"} <= {
        line.split("  ")[0] for line in result.stdout.splitlines()
    }
    result = invoke("top", "--once", "--filter", "state=busy", daemon=fleet.daemon)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
    assert result.stderr == "0 of 3 shards shown\n"


def test_columns_may_be_a_set_of_zinfo_or_of_the_user(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    store_saved([ColumnSet("mine", ("id", "ops~", "tcp_port"))])
    for name, heading in (("mine", "id,tcp_port"), ("replication", "id,state,role,link,lag")):
        result = invoke("top", "--once", "--csv", "--columns", name, daemon=fleet.daemon)
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith(heading)
    (tmp_path / "zinfo" / "top.toml").write_text("[")
    result = invoke("top", "--once", "--columns", "id", daemon=fleet.daemon)
    assert result.exit_code == 2
    assert "top.toml: not valid TOML" in result.stderr


def test_problems_are_printed_and_are_exit_code_1(fleet: Fleet) -> None:
    result = invoke("top", "--once", "--problems", "--json", daemon=fleet.daemon)
    assert result.exit_code == 1, result.output
    problems = json.loads(result.stdout)
    (down,) = (one for one in problems if one["shard"] == fleet.dead)
    assert (down["severity"], down["name"]) == ("critical", "down")
    assert "refused" in down["detail"]
    assert down["since"] >= 0
    result = invoke("top", "--once", "--problems", daemon=fleet.daemon)
    heading, line, *_ = result.stdout.splitlines()
    assert heading.split() == ["severity", "shard", "since", "problem"]
    assert line.startswith(f"critical  {fleet.dead}")
    result = invoke("top", "--once", "--problems", "--csv", "--filter", "up", daemon=fleet.daemon)
    assert (result.exit_code, result.stdout.count("critical")) == (0, 0), result.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--once", "--columns", "used_memry"), "did you mean used_memory?"),
        (("--once", "--sort", "tcp_prt"), "did you mean tcp_port?"),
        (("--once", "--filter", "(up"), ""),
        (("--once", "--group", "clster"), "did you mean cluster?"),
        (("--once", "--columns", "a b"), "'a b' is no column"),
        (("--once", "--csv", "--json"), "cannot be combined"),
        (("--once", "--web", "127.0.0.1:8000"), "cannot be combined"),
        (("--csv",), "--csv needs --once"),
        (("--once", "--problems", "--sort", "ops"), "--sort and --problems cannot be combined"),
        (("--columns", "id"), "--columns needs --once"),
    ],
)
def test_usage_errors_have_exit_code_2_and_name_the_nearest(
    fleet: Fleet, arguments: tuple[str, ...], problem: str
) -> None:
    result = invoke("top", *arguments, daemon=fleet.daemon)
    assert result.exit_code == 2, result.output
    assert problem in result.stderr
    assert result.stdout == ""


def test_no_daemon_is_exit_code_1() -> None:
    result = invoke("top", "--once", "--connect", f"tcp://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert result.stdout == ""


def test_a_daemon_of_several_that_is_missing_is_exit_code_1(fleet: Fleet) -> None:
    other = f"tcp://127.0.0.1:{free_port()}"
    endpoints = ("--connect", fleet.daemon.query, "--connect", other)
    result = invoke("top", "--once", "--columns", "id", *endpoints)
    assert result.exit_code == 1
    assert fleet.first.ident in result.stdout
    assert f"missing: {other}" in result.stderr
