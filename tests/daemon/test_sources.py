"""A daemon with a source of shards: SIGHUP, and a restart while the source is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_daemon import connects, reload, shards
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def servers() -> Iterator[list[RealServer]]:
    """Two servers for all tests of this module."""
    with RealServer() as one, RealServer() as two:
        yield [one, two]


def write_targets(path: Path, servers: list[RealServer], **labels: str) -> None:
    new = path.with_suffix(".new")
    targets = [server.ident for server in servers]
    new.write_text(json.dumps([{"targets": targets, "labels": labels}]), encoding="utf-8")
    new.rename(path)


def config(path: Path, more: str = "") -> str:
    return (
        f'state_dir = "{path}/state"\n[[sources]]\nname = "cmdb"\ntype = "file"\n'
        f'files = ["{path}/*.json"]\ninterval = 0.1\n{more}'
    )


def status(daemon: RunningDaemon) -> dict[str, Any]:
    body: Any = daemon.ask("sources").body
    return {source["name"]: source for source in body}


def test_sighup_applies_sources_and_leaves_the_connections_of_others(
    servers: list[RealServer], tmp_path: Path
) -> None:
    one, two = servers
    write_targets(tmp_path / "a.json", servers, site="fra")
    static = f'[[shards]]\nurl = "{one.url}"\n'
    with RunningDaemon(config_text=config(tmp_path)) as daemon:
        daemon.wait_polled(2)
        assert shards(daemon)[two.ident]["labels"] == {"site": "fra", "source": "cmdb"}
        labels = 'labels = { site = "ams" }\n'
        reload(daemon, config(tmp_path, labels), "watching 2 shards")
        wait_until(
            lambda: shards(daemon)[two.ident]["labels"]["site"] == "ams", what="the new labels"
        )
        reload(daemon, config(tmp_path, labels + static), "watching 2 shards")
        wait_until(lambda: shards(daemon)[one.ident]["labels"] == {}, what="those of the list")
        assert connects(daemon) == 2
        reload(daemon, static, "watching 1 shard")
        assert set(shards(daemon)) == {one.ident}
        assert "needs a restart: state_dir" in daemon.log()
        events: Any = daemon.ask("events", ids=[one.ident]).body
        assert {event["type"] for event in events} == {"added", "up", "labels_changed"}


def test_a_daemon_that_was_killed_starts_with_its_shards_while_the_source_is_away(
    servers: list[RealServer], tmp_path: Path
) -> None:
    targets = tmp_path / "a.json"
    write_targets(targets, servers)
    with RunningDaemon(config_text=config(tmp_path)) as daemon:
        daemon.wait_polled(2)
        wait_until(lambda: list(tmp_path.glob("state/*.answer")), what="the stored answer")
        daemon.kill()
        targets.unlink()
        daemon.start()
        daemon.wait_polled(2)
        wait_until(lambda: status(daemon)["cmdb"]["state"] == "failed", what="a failed read")
        assert set(shards(daemon)) == {server.ident for server in servers}
        write_targets(targets, servers[:1])
        wait_until(lambda: status(daemon)["cmdb"]["missing"] == 1, what="a missing shard")
        assert set(shards(daemon)) == {server.ident for server in servers}
        # Half of the shards are missing: that is not held, but this one still replies.
        assert status(daemon)["cmdb"]["held"] == 0
