"""`zinfo top --once` on a real daemon."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.cli.conftest import Fleet
from tests.cli.running import invoke
from tests.servers import free_port


def test_it_prints_all_shards_on_a_pipe(fleet: Fleet) -> None:
    result = invoke("top", "--once", daemon=fleet.daemon)
    assert result.exit_code == 0, result.output
    heading, *lines = result.stdout.splitlines()
    assert heading.split()[:5] == ["shard", "state", "role", "version", "ops/s"]
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
