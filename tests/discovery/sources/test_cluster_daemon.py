"""A daemon with a cluster as source: which shards it watches while nodes fail and come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import RealCluster, node_id, primary_of
from tests.daemons import RunningDaemon
from tests.discovery.watched_shards import Watched
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def cluster() -> Iterator[RealCluster]:
    with RealCluster() as made:
        yield made


def test_no_live_server_is_dropped_while_a_cluster_changes(
    cluster: RealCluster, tmp_path: Path
) -> None:
    seeds = cluster.nodes[0], cluster.nodes[5]
    config = f"""
state_dir = "{tmp_path / "state"}"

[[sources]]
type = "cluster"
name = "orders"
seeds = ["redis://{seeds[0].ident}", "redis://{seeds[1].ident}"]
interval = 0.3
"""
    six = {node.ident for node in cluster.nodes}
    with RunningDaemon(config_text=config) as daemon:
        watched = Watched(daemon)
        with watched.sampling():
            wait_until(
                lambda: watched.samples and six <= set(watched.samples[-1]), what="six shards"
            )
            del watched.samples[:-1]

            # A seed fails, is replaced by its replica, and comes back as a replica.
            victim, replica = cluster.nodes[0], cluster.nodes[3]
            victim.kill()
            wait_until(lambda: watched.state(victim.ident) == "down", what="the seed to be down")
            wait_until(lambda: watched.group(replica.ident) == replica.ident, what="the failover")
            victim.start()
            wait_until(lambda: watched.group(victim.ident) == replica.ident, what="a new replica")

            # A seed that is a replica loses its configuration, and joins again with another id.
            reset = cluster.nodes[5]
            before = node_id(reset)
            reset.stop()
            (reset.directory / "nodes.conf").unlink()
            reset.start()
            wait_until(
                lambda: watched.group(reset.ident) == reset.ident, what="a cluster of its own"
            )
            cluster.meet()
            cluster.replicate(reset, cluster.nodes[1])
            wait_until(
                lambda: watched.group(reset.ident) == cluster.nodes[1].ident, what="its new primary"
            )
            assert node_id(reset) != before

            # A new node is watched, too.
            seventh = cluster.add(cluster.nodes[1])
            wait_until(lambda: watched.state(seventh.ident) == "up", what="the seventh shard")
            wait_until(
                lambda: all(watched.state(node.ident) == "up" for node in cluster.nodes),
                what="all shards to be up",
            )
        assert primary_of(seventh) == node_id(cluster.nodes[1])
        _restart_without_seeds(daemon, cluster, {seed.ident for seed in seeds})
        absent = [six - set(sample) for sample in watched.samples if six - set(sample)]
        assert not absent, (
            f"{len(absent)} of {len(watched.samples)} samples lack shards: {absent[:3]}"
        )
        assert set(watched.samples[-1]) == {*six, seventh.ident}
        assert {labels["cluster"] for _, labels in watched.samples[-1].values()} == {"orders"}


def _restart_without_seeds(daemon: RunningDaemon, cluster: RealCluster, seeds: set[str]) -> None:
    """The daemon is killed and starts again while all seeds are away: it asks the members."""
    everyone = {node.ident for node in cluster.nodes}
    daemon.kill()
    for node in cluster.nodes:
        if node.ident in seeds:
            node.kill()
    daemon.start()

    def states() -> dict[str, str]:
        body = daemon.ask("shards").body
        assert isinstance(body, list)
        return {one["id"]: one["state"] for one in body}

    expected = {ident: "down" if ident in seeds else "up" for ident in everyone}
    wait_until(lambda: states() == expected, what="the shards of the stored answer")

    def source() -> dict[str, Any]:
        body = daemon.ask("sources").body
        assert isinstance(body, list)
        return dict(body[0])

    wait_until(lambda: source()["state"] == "ok", what="an answer of the members")
    assert source()["missing"] == 0
    assert states() == expected
