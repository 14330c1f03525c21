"""`zinfo watch` and `zinfo events` of three daemons, of which some are killed and stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.running import QUICK, Following
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from zinfo.wire.slices import slices_of

IDS = tuple(f"shard-{number}" for number in (0, 1, 2, 5, 6, 7))
COUNT, COPIES = 3, 2


@pytest.fixture
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

    changes: dict[str, object] = {}
    for line in map(json.loads, watching.lines):
        if line["update"] == "change":
            shard = line["shard"]
            assert line["old"] == changes.get(shard, line["old"]), "changes form a chain"
            changes[shard] = line["new"]
    assert changes.keys() == set(IDS)
