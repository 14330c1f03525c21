"""Commands that read from three daemons that share the shards, some of which are killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli.running import QUICK
from tests.client.wire_peer import WirePeer
from tests.daemons import RunningDaemon
from tests.servers import RealServer, free_port
from tests.waiting import wait_until
from zinfo.cli.app import cli
from zinfo.wire.slices import slices_of

COUNT, COPIES = 3, 2


class ThreeDaemons:
    """Three daemons with two copies of each shard; the shards are one server by several names.

    Args:
        stack: ends them.
    """

    def __init__(self, stack: ExitStack) -> None:
        server = stack.enter_context(RealServer())
        self.ids = tuple(f"shard-{number}" for number in range(6))
        targets = Path(stack.enter_context(TemporaryDirectory())) / "targets.json"
        targets.write_text('[{"targets": ["db-1:99999"]}]')
        self.daemons: list[RunningDaemon] = []
        shards = "".join(f'[[shards]]\nid = "{one}"\nurl = "{server.url}"\n' for one in self.ids)
        for number in range(COUNT):
            text = f"""
                [slice]
                number = {number}
                count = {COUNT}
                copies = {COPIES}
                [[sources]]
                name = "cmdb"
                type = "file"
                files = ["{targets}"]
                {shards}
            """
            daemon = RunningDaemon(
                config_text=text, environ={**QUICK, "ZINFO_NODE": f"zinfo-{number}"}
            )
            self.daemons.append(stack.enter_context(daemon))
        for number, daemon in enumerate(self.daemons):
            daemon.wait_polled(len(self.of(number)))

    def of(self, *numbers: int) -> list[str]:
        """The ids of the shards of some slices."""
        return [one for one in self.ids if set(slices_of(one, COUNT, COPIES)) & set(numbers)]

    def run(self, *arguments: str) -> Result:
        """Run a command on all daemons."""
        endpoints = " ".join(daemon.query for daemon in self.daemons)
        return CliRunner().invoke(
            cli,
            list(arguments),
            prog_name="zinfo",
            env={"ZINFO_CONNECT": endpoints},
            catch_exceptions=False,
        )

    def objects(self, *arguments: str) -> list[Any]:
        """Run a command with --json, and return what it prints."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def three() -> Iterator[ThreeDaemons]:
    """The three daemons; tests that kill some start them again."""
    with ExitStack() as stack:
        yield ThreeDaemons(stack)


def ids_of(infos: list[Any]) -> list[str]:
    """The ids of the shards."""
    return [info["meta"]["shard_identifier"] for info in infos]


def test_each_shard_is_printed_once(three: ThreeDaemons) -> None:
    assert ids_of(three.objects("get", "--key", "role")) == list(three.ids)
    assert [shard["id"] for shard in three.objects("shards")] == list(three.ids)
    columns = three.objects("columns", "used_memory")
    assert ids_of(columns) == list(three.ids)
    assert all(column["used_memory"] > 0 for column in columns)
    assert ids_of(three.objects("get", "shard-3", "shard-1")) == ["shard-3", "shard-1"]
    text = three.run("get", "--section", "server")
    assert text.stdout.count("# shard-") == 6


def test_endpoints_may_be_given_as_options(three: ThreeDaemons) -> None:
    options = [f"--connect={daemon.query}" for daemon in three.daemons]
    result = CliRunner().invoke(cli, ["shards", "--json", *options], catch_exceptions=False)
    assert len(result.stdout.splitlines()) == 6
    one = CliRunner().invoke(cli, ["shards", "--json", options[0]], catch_exceptions=False)
    assert [json.loads(line)["id"] for line in one.stdout.splitlines()] == three.of(0)
    port = three.daemons[0].query.rpartition(":")[2]
    named = [f"--connect=dns+tcp://localhost:{port}", *options[1:]]
    result = CliRunner().invoke(cli, ["get", "--key=role", *named], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.count("role:master") == 6


def test_stats_and_sources_name_the_daemon(three: ThreeDaemons) -> None:
    stats = three.objects("stats")
    assert [(one["node"], one["endpoint"]) for one in stats] == [
        (f"zinfo-{number}", daemon.query) for number, daemon in enumerate(three.daemons)
    ]
    assert [one["slice"]["number"] for one in stats] == [0, 1, 2]
    headings = [line for line in three.run("stats").stdout.splitlines() if line.startswith("#")]
    assert headings[0] == f"# zinfo-0  {three.daemons[0].query}"
    assert len(headings) == 3

    def skipping() -> list[str]:
        return [source["node"] for source in three.objects("sources") if source["skipped"]]

    wait_until(lambda: skipping() == ["zinfo-0", "zinfo-1", "zinfo-2"], what="reads of the source")
    lines = three.run("sources").stdout.splitlines()
    assert lines[0].split()[:2] == ["NODE", "NAME"]
    assert [line.split()[0] for line in lines[1:7:2]] == ["zinfo-0", "zinfo-1", "zinfo-2"]
    assert any(line.startswith("zinfo-2: cmdb: skipped: ") for line in lines)


def test_a_shard_that_no_daemon_has_is_an_error(three: ThreeDaemons) -> None:
    result = three.run("get", "shard-1", "absent")
    assert result.exit_code == 1
    assert result.stderr == "Error: shard absent not found\n"
    assert three.run("get", "shard-1", "absent", "--partial").exit_code == 0


def test_what_one_daemon_lacks_is_missing(three: ThreeDaemons) -> None:
    same = [f"--connect={three.daemons[0].query}"] * 2
    result = CliRunner().invoke(cli, ["shards", *same])
    assert result.exit_code == 0, "one daemon by itself is not a fleet"
    with WirePeer("x") as peer, WirePeer("y") as other:
        for number, daemon in enumerate([peer.daemon, other.daemon]):
            daemon.slice = {"number": number, "count": 3, "copies": 1, "by": "id"}
        options = [f"--connect={one.query}" for one in (peer, other)]
        result = CliRunner().invoke(cli, ["shards", "--json", *options])
        assert result.exit_code == 1
        assert len(result.stdout.splitlines()) == 2
        assert result.stderr == "missing: slice 2 of 3 (no daemon of this slice is known)\n"


def test_a_daemon_of_an_older_version_belongs_to_the_fleet(three: ThreeDaemons) -> None:
    with WirePeer("x", "y") as old:
        old.daemon.without = {"get_columns", "sources", "accept_source"}
        options = [f"--connect={one}" for one in [old.query, *(d.query for d in three.daemons)]]
        found = CliRunner().invoke(cli, ["columns", "role", "--json", *options])
        assert ids_of([json.loads(line) for line in found.stdout.splitlines()]) == [
            *three.ids,
            "x",
            "y",
        ]
        result = CliRunner().invoke(cli, ["sources", *options])
        assert result.exit_code == 1
        assert result.stderr == f"missing: {old.query}: no operation sources\n"


def test_nothing_answers_at_all_endpoints() -> None:
    endpoints = [f"tcp://127.0.0.1:{free_port()}" for _ in range(2)]
    for command in (["get"], ["shards"], ["columns", "x"], ["stats"], ["sources"]):
        result = CliRunner().invoke(
            cli, [*command, "--timeout=0.2", *(f"--connect={one}" for one in endpoints)]
        )
        assert result.exit_code == 1
        refused = "; ".join(f"{one}: connection refused" for one in endpoints)
        assert f"nothing answers at {refused}; start a daemon" in result.stderr


def test_an_endpoint_that_is_not_valid_is_wrong_usage() -> None:
    result = CliRunner().invoke(cli, ["get", "--connect=tcp://a:1", "--connect=tcp://b"])
    assert result.exit_code == 2


def test_one_daemon_of_three_may_be_killed_and_then_slices_are_missing(three: ThreeDaemons) -> None:
    """The last test of the three daemons: two of them are gone after it."""
    first, second, _ = three.daemons
    first.kill()
    for command in (["get", "--key", "role"], ["shards"], ["columns", "role"]):
        assert len(three.objects(*command)) == 6
    for one in three.ids:
        assert ids_of(three.objects("get", one)) == [one]
    stats = three.run("stats", "--timeout=1")
    assert stats.exit_code == 1
    assert stats.stdout.count("# zinfo-") == 2
    why = f"{first.query}: connection refused"
    assert stats.stderr == f"missing: {first.query}: no reply\n{why}\n"
    second.kill()
    for command in (["get"], ["shards"], ["columns", "role"]):
        result = three.run(*command, "--json", "--timeout=1")
        assert result.exit_code == 1
        assert len(result.stdout.splitlines()) == len(three.of(2))
        assert result.stderr.splitlines() == [
            f"missing: {first.query}: no reply",
            f"missing: {second.query}: no reply",
            f"{first.query}: connection refused",
            f"{second.query}: connection refused",
        ]
    lost = next(one for one in three.ids if one not in three.of(2))
    assert three.run("get", lost, "--timeout=1").exit_code == 1
