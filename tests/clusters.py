"""Real Redis Clusters for the tests."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import TracebackType

from typing_extensions import Self

from tests.server_kinds import ServerKind
from tests.servers import RealServer
from tests.spawning import free_port
from tests.waiting import wait_until

SLOTS = 16384
"""Number of hash slots of a cluster."""

NODE_TIMEOUT = 1500
"""Milliseconds until a node that does not reply has failed; long enough for a busy machine."""


class RealCluster:
    """A cluster on 127.0.0.1: primaries, then a replica of each of the first ones.

    Entering starts and joins the nodes; leaving kills them.

    Args:
        primaries: Number of primaries, which share the hash slots.
        replicas: Number of replicas, one for each primary in turn.
        kind: Server program; default: the first of this machine.
        args: Further options of each node.
        tls: Options with certificates, if the nodes are to use TLS among themselves and to have a
            port for it.

    Attributes:
        nodes: All nodes, also those that tests have stopped or reset.
        tls_ports: Their ports for TLS.
    """

    def __init__(
        self,
        primaries: int = 3,
        replicas: int = 3,
        *,
        kind: ServerKind | None = None,
        args: Sequence[str] = (),
        tls: Sequence[str] = (),
    ) -> None:
        self._count = primaries
        self._args = (
            *("--cluster-enabled", "yes"),
            *("--cluster-node-timeout", str(NODE_TIMEOUT)),
            *("--cluster-require-full-coverage", "no"),
            *("--repl-diskless-sync-delay", "0"),
            *args,
        )
        self._stack = contextlib.ExitStack()
        self.tls_ports: list[int] = []
        self.nodes = [self._made(kind, tls) for _ in range(primaries + replicas)]

    def _made(self, kind: ServerKind | None, tls: Sequence[str]) -> RealServer:
        args = self._args
        if tls:
            self.tls_ports.append(free_port())
            args += (*tls, "--tls-cluster", "yes", "--tls-port", str(self.tls_ports[-1]))
        return RealServer(kind, args=args)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            for number, node in enumerate(self.nodes):
                ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for number, node in enumerate(self.nodes[: self._count]):
                first, end = (SLOTS * at // self._count for at in (number, number + 1))
                ask(node, "CLUSTER", "ADDSLOTS", *range(first, end))
            self.meet()
            for number, node in enumerate(self.nodes[self._count :]):
                self.replicate(node, self.nodes[number % self._count])
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def add(self, primary: RealServer | None = None) -> RealServer:
        """Start another node, which joins the cluster, as a replica of `primary` if it is given."""
        node = self._stack.enter_context(RealServer(self.nodes[0].kind, args=self._args))
        self.nodes.append(node)
        self.meet()
        if primary is not None:
            self.replicate(node, primary)
        return node

    def meet(self) -> None:
        """Make all running nodes know each other."""
        running = [node for node in self.nodes if node.running]
        for number, node in enumerate(running):
            for other in running[:number]:
                if other.ident not in known(node):
                    port = self.tls_ports[self.nodes.index(other)] if self.tls_ports else other.port
                    ask(node, "CLUSTER", "MEET", other.host, port)
        everyone = {node.ident for node in running}
        for node in running:
            wait_until(
                lambda node=node: everyone <= set(known(node)),  # type: ignore[misc]  # of a loop
                what=f"{node.ident} to know all others",
            )

    def replicate(self, node: RealServer, primary: RealServer) -> None:
        """Make a node a replica, and wait until all running nodes know it."""
        ident = node_id(primary)
        wait_until(lambda: ident in known_ids(node), what="the replica to know its primary")
        ask(node, "CLUSTER", "REPLICATE", ident)
        for other in self.nodes:
            if other.running:
                wait_until(
                    lambda other=other: f"slave {ident}" in known(other).get(node.ident, ""),  # type: ignore[misc]  # of a loop
                    what=f"{other.ident} to know the replica",
                )

    def forget(self, node: RealServer) -> None:
        """Make all other running nodes forget a node, which itself gets no command."""
        ident = node_id(node)
        others = [one for one in self.nodes if one.running and one is not node]
        for other in others:
            ask(other, "CLUSTER", "FORGET", ident)
        assert not any(ident in known_ids(other) for other in others)


def ask(node: RealServer, *command: str | int) -> bytes:
    """Return the raw reply of a node; an error reply fails."""
    reply = node.cli(*command)
    assert not reply.startswith(b"-"), (command[:3], reply)
    return reply


def known(node: RealServer) -> dict[str, str]:
    """Return the lines of CLUSTER NODES by address, without nodes in handshake."""
    lines = ask(node, "CLUSTER", "NODES").decode().splitlines()
    fields = [line.split(" ", 2) for line in lines if line.count(" ") > 2]
    return {
        place.partition("@")[0]: f"{rest} {ident}"
        for ident, place, rest in fields
        if "handshake" not in rest
    }


def known_ids(node: RealServer) -> set[str]:
    """Return the node ids that a node knows."""
    return {line.rpartition(" ")[2] for line in known(node).values()}


def node_id(node: RealServer) -> str:
    """Return the node id of a node."""
    return ask(node, "CLUSTER", "MYID").split(b"\r\n")[1].decode()


def primary_of(node: RealServer) -> str:
    """Return the id of the primary of a node, as the node knows it; "-" for a primary."""
    return known(node)[node.ident].split(" ")[1]
