"""`watch`, `events` and `record` of three daemons, of which some are killed and stopped."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cli.running import QUICK, Following
from tests.daemons import RunningDaemon
from tests.servers import RealServer, free_port
from tests.waiting import wait_until
from zinfo.cli.app import cli
from zinfo.cli.record_fleet import files_of
from zinfo.client import FleetMember
from zinfo.recording import Recording
from zinfo.wire.slices import slices_of

IDS = tuple(f"shard-{number}" for number in (0, 1, 2, 5, 6, 7))
COUNT, COPIES = 3, 2


@pytest.fixture(scope="module")
def three() -> Iterator[list[RunningDaemon]]:
    """Three daemons with two copies of each shard; the shards are one server by several names."""
    with ExitStack() as stack:
        server = stack.enter_context(RealServer())
        shards = "".join(f'[[shards]]\nid = "{one}"\nurl = "{server.url}"\n' for one in IDS)
        slices = f"[slice]\ncount = {COUNT}\ncopies = {COPIES}\n"
        yield [
            stack.enter_context(
                RunningDaemon(
                    config_text=f"{slices}number = {number}\n{shards}",
                    environ={**QUICK, "ZINFO_NODE": f"zinfo-{number}"},
                )
            )
            for number in range(COUNT)
        ]


def follow(three: list[RunningDaemon], directory: Path, *arguments: str) -> Following:
    """Start a command that follows all daemons."""
    directory.mkdir()
    options = [f"--connect={daemon.query}" for daemon in three]
    return Following(directory, *arguments, "--json", *options, daemon=None)


def test_they_go_on_while_one_daemon_is_away_and_say_what_is_stale(
    three: list[RunningDaemon], tmp_path: Path
) -> None:
    only_0_and_1 = next(one for one in IDS if set(slices_of(one, COUNT, COPIES)) == {0, 1})
    # While zinfo-0 is away, this is received from zinfo-2.
    only_0_and_2 = next(one for one in IDS if set(slices_of(one, COUNT, COPIES)) == {0, 2})
    first, second, third = three
    with (
        follow(three, tmp_path / "watch", "watch", "--key=total_commands_processed") as watching,
        follow(three, tmp_path / "events", "events", "--follow") as following,
    ):
        watching.wait_for('"update": "change"')
        stored = following.wait_for('"type": "up"')
        assert json.loads(stored)["node"].startswith("zinfo-")

        first.kill()
        second.suspend()
        for command in (watching, following):
            said = command.wait_for(f'"shard": "{only_0_and_1}", "message": "no daemon has')
            assert json.loads(said)["update"] == "stale"
            said = command.wait_for('"update": "missing"')
            assert json.loads(said)["message"].startswith("slice 0 of 3 (")

        second.resume()
        first.start()
        for command in (watching, following):
            command.wait_for('"update": "complete"')

        third.kill()
        for command in (watching, following):
            said = command.wait_for(f'"shard": "{only_0_and_2}", "message": "zinfo-0 is followed')
            assert json.loads(said)["update"] == "changeover"
        third.start()

    changes: dict[str, object] = {}
    for line in map(json.loads, watching.lines):
        if line["update"] == "change":
            shard = line["shard"]
            assert line["old"] == changes.get(shard, line["old"]), "changes form a chain"
            changes[shard] = line["new"]
    assert changes.keys() == set(IDS)


def run(three: list[RunningDaemon], *arguments: str) -> Result:
    """Run a command on all daemons."""
    options = [f"--connect={daemon.query}" for daemon in three]
    return CliRunner().invoke(
        cli, [*arguments, *options], prog_name="zinfo", catch_exceptions=False
    )


def test_events_of_all_daemons_are_listed(three: list[RunningDaemon]) -> None:
    def printed() -> list[dict[str, object]]:
        return [json.loads(line) for line in run(three, "events", "--json").stdout.splitlines()]

    wait_until(
        lambda: {one["shard"] for one in printed() if one["type"] == "up"} == set(IDS),
        what="each shard to be up",
    )
    added = [one["shard"] for one in printed() if one["type"] == "added"]
    assert sorted(map(str, added)) == list(IDS), "once, though two daemons poll it"
    assert {one["node"] for one in printed()} <= {"zinfo-0", "zinfo-1", "zinfo-2"}
    text = run(three, "events", IDS[0]).stdout.splitlines()
    assert re.search(rf"Z {IDS[0]} zinfo-\d #\d+ added$", text[0])
    refused = run(three, "events", "--since=1")
    assert refused.exit_code == 2
    assert "each daemon counts its own events" in refused.stderr


def contains(command: Following, text: str) -> bool:
    """Whether a command has printed a text on standard error."""
    return text in command.errors


def test_what_does_not_exist_in_any_daemon_is_waited_for_or_an_error(
    three: list[RunningDaemon], tmp_path: Path
) -> None:
    typo = ("nowhere", IDS[0], "--key=used_memroy")
    with follow(three, tmp_path / "watch", "watch", *typo) as watching:
        for what in (
            "shard nowhere not found; waiting for it",
            "no shard has a field used_memroy; waiting for it (did you mean used_memory?)",
        ):
            wait_until(partial(contains, watching, what), what=what)
    for arguments in (["events"], ["shards"], ["get"]):
        done = run(three, *arguments, "nowhere", IDS[0])
        assert (done.exit_code, done.stderr) == (1, "Error: shard nowhere not found\n")
    done = run(three, "columns", "used_memroy")
    assert done.stderr == "Error: no shard has a field used_memroy, did you mean used_memory?\n"


def test_each_daemon_is_recorded_in_a_file(three: list[RunningDaemon], tmp_path: Path) -> None:
    file = tmp_path / "incident.zrec"
    recorded = run(three, "record", str(file), "--seconds=0.5", "--json", "--timeout=30")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler  # as before
    assert recorded.exit_code == 0, recorded.stderr
    summary = [json.loads(line) for line in recorded.stdout.splitlines()]
    for number, (one, daemon) in enumerate(zip(summary, three, strict=True)):
        assert (one["node"], one["endpoint"]) == (f"zinfo-{number}", daemon.query)
        assert one["file"] == str(tmp_path / f"incident-zinfo-{number}.zrec")
        with Recording(one["file"]) as recording:
            shards = {
                moment.update.shard for moment in recording if hasattr(moment.update, "shard")
            }
        mine = {one for one in IDS if number in slices_of(one, COUNT, COPIES)}
        assert one["shards"] == len(mine)
        assert shards - {""} == mine


def test_a_daemon_that_does_not_answer_is_not_recorded(
    three: list[RunningDaemon], tmp_path: Path
) -> None:
    endpoints = [f"--connect=tcp://127.0.0.1:{free_port()}", f"--connect={three[0].query}"]
    arguments = ["record", str(tmp_path / "x.zrec"), "--seconds=0.1", *endpoints]
    recorded = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert recorded.exit_code == 1
    assert re.search(r"^missing: tcp://127.0.0.1:\d+: no reply$", recorded.stderr, re.MULTILINE)
    assert "x-zinfo-0.zrec: 0.1 s of" in recorded.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["x-zinfo-0.zrec"]
    silent = CliRunner().invoke(cli, [*arguments[:3], "--timeout=0.2", *endpoints[:1] * 2])
    assert silent.exit_code == 1


def test_names_of_files_differ() -> None:
    members = [FleetMember("tcp://x", node, None, "") for node in ("a:1", "a/1", "a:1", "..")]
    assert files_of("dir/x.zrec", members) == [
        "dir/x-a_1.zrec",
        "dir/x-a_1-2.zrec",
        "dir/x-a_1-3.zrec",
        "dir/x-...zrec",
    ]
