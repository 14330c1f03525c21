"""Servers in all roles, with data and traffic, to compare their metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import redis

from tests.sentinels import RealSentinel
from tests.server_kinds import ServerKind
from tests.servers import RealServer
from tests.spawning import HOST
from tests.waiting import wait_until

_SLOTS = 16384


@contextlib.contextmanager
def loaded_servers(kind: ServerKind) -> Iterator[dict[str, RealServer]]:
    """A server for each role: primary, replica, cluster node, Sentinel."""
    with (
        loaded_pair(kind) as (primary, replica),
        RealServer(kind, args=("--cluster-enabled", "yes")) as node,
        RealSentinel(primary) as sentinel,
    ):
        client = node.client()
        client.execute_command("CLUSTER", "ADDSLOTS", *range(_SLOTS))
        wait_until(lambda: _has(node, "CLUSTER INFO", b"cluster_state:ok"), what="the cluster")
        _put_data(client)
        wait_until(
            lambda: _has(sentinel, "INFO", b",slaves=1,"), what="Sentinel to see the replica"
        )
        roles = {"primary": primary, "replica": replica, "cluster node": node}
        yield {**roles, "Sentinel": sentinel}


@contextlib.contextmanager
def loaded_pair(kind: ServerKind) -> Iterator[tuple[RealServer, RealServer]]:
    """A primary with data and traffic, and its replica."""
    at_once = ("--repl-diskless-sync-delay", "0")
    with RealServer(kind, args=at_once) as primary, RealServer(kind) as replica:
        replica.client().replicaof(HOST, primary.port)
        client = primary.client()
        _put_data(client)
        wait_until(
            lambda: replica.client().info("replication")["master_link_status"] == "up",
            what="the replica to be in step",
        )
        wait_until(lambda: "slave0" in client.info("replication"), what="the primary to know it")
        yield primary, replica


def _put_data(client: redis.Redis) -> None:
    """Write keys, and make a hit, a miss and an error."""
    client.set("a", 1, ex=1000)
    client.get("a")
    client.get("missing")
    client.lpush("list", *range(100))
    with contextlib.suppress(redis.ResponseError):
        client.incr("list")


def _has(server: RealServer, command: str, text: bytes) -> bool:
    return text in server.cli(*command.split())
