"""Makes shards of the nodes of a cluster: their addresses, ids and labels. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from zinfo.discovery.answer_builder import AnswerBuilder
from zinfo.discovery.rules import SkippedError, TargetRules
from zinfo.discovery.sources.cluster_nodes import ClusterNode
from zinfo.discovery.target import Candidate
from zinfo.wire.addresses import host_port

CLUSTER_LABEL = "cluster"
"""Label with the name of the cluster: that of the source, unless its `labels` set another."""

GROUP_LABEL = "group"
"""Label with the shard id of the primary; a primary has its own."""

HOSTNAME_LABEL = "hostname"
"""Label with the name that a node announces."""

NODE_ID_LABEL = "__node_id__"
"""Label with the node id, for ids and for `keep` and `drop`."""

HOSTNAME = "hostname"
"""Value of `address` with which nodes are connected to by the names that they announce."""

_MAX_CHAIN = 4  # replicas of replicas that are followed


@dataclass(frozen=True, slots=True)
class ClusterNaming:
    """How the nodes of a cluster are addressed and named.

    Attributes:
        rules: the rules of the source.
        scheme: `redis` or `rediss`.
        address: `ip` or `hostname`.
    """

    rules: TargetRules
    scheme: str
    address: str

    def candidate(self, node: ClusterNode, group: str = "") -> Candidate:
        """Return a node as it is listed.

        Args:
            node: the node.
            group: id of the shard that is its primary; "" if that is unknown.
        """
        labels = {CLUSTER_LABEL: self.rules.source, NODE_ID_LABEL: node.ident}
        if group:
            labels[GROUP_LABEL] = group
        if node.hostname:
            labels[HOSTNAME_LABEL] = node.hostname
        host = node.hostname if self.address == HOSTNAME else ""
        return Candidate(host or node.host, node.port, scheme=self.scheme, labels=labels)

    def group_of(self, primary: ClusterNode) -> str:
        """Return the value of the label `group`: the id of a primary, or its address without one.

        It has none if it is not watched, or if its id is made of the group.
        """
        candidate = self.candidate(primary)
        try:
            made = self.rules.apply(candidate)
        except SkippedError:
            made = None
        return made[0] if made is not None else host_port(candidate.host, candidate.port)


def add_nodes(
    builder: AnswerBuilder,
    naming: ClusterNaming,
    nodes: Iterable[ClusterNode],
    known_groups: Mapping[str, str] = MappingProxyType({}),
    pause: Callable[[], None] = lambda: None,
) -> Mapping[str, str]:
    """Add the nodes of a cluster to an answer.

    Args:
        builder: collects the answer.
        naming: how nodes are addressed and named.
        nodes: the nodes.
        known_groups: what this returned for the last answer. Replicas of a primary that is not
            among the nodes, as its address is unknown, stay in their group.
        pause: called after every piece of work that takes less than 1 ms.

    Returns:
        The groups by the node id of their primary.

    Raises:
        SourceError: there are too many.
    """
    by_id: dict[str, ClusterNode] = {}
    by_address: dict[tuple[str, int], ClusterNode] = {}
    for node in nodes:
        pause()
        by_id[node.ident] = node
        present = by_address.setdefault((node.host, node.port), node)
        if present is not node:
            # Other nodes list the one that is gone until it is forgotten.
            builder.skip("its address belongs to another node now")
            by_address[node.host, node.port] = max(present, node, key=_how_current)
    groups: dict[str, str] = {}  # by node id of the primary
    for node in by_address.values():
        pause()
        primary = _primary_of(node, by_id)
        if primary not in groups:
            known = by_id.get(primary)
            groups[primary] = (
                naming.group_of(known) if known is not None else known_groups.get(primary, "")
            )
        builder.add(naming.candidate(node, groups[primary]))
    _note_missing_names(builder, naming, by_address.values())
    return groups


def _how_current(node: ClusterNode) -> tuple[bool, int]:
    return not node.failed, node.epoch


def _primary_of(node: ClusterNode, by_id: Mapping[str, ClusterNode]) -> str:
    """Return the node id of the primary of a node, which may be the node itself; "" if unclear."""
    # During a failover, a replica's primary may be a replica already.
    for _ in range(_MAX_CHAIN):
        if not node.primary:
            return node.ident
        if node.primary not in by_id:
            return node.primary
        node = by_id[node.primary]
    return ""


def _note_missing_names(
    builder: AnswerBuilder, naming: ClusterNaming, nodes: Iterable[ClusterNode]
) -> None:
    unnamed = sum(not node.hostname for node in nodes)
    if naming.address != HOSTNAME or not unnamed:
        return
    if unnamed == 1:
        builder.note("1 node announces no host name: its IP address is used")
    else:
        builder.note(f"{unnamed} nodes announce no host name: their IP addresses are used")
