"""Reads the reply to CLUSTER NODES: the nodes of a cluster as one of them knows them. Pure.

The format: https://redis.io/docs/latest/commands/cluster-nodes/, and `clusterGenNodeDescription` in
cluster.c (Redis 3 to 7.0) and cluster_legacy.c (later ones, and Valkey). Each line is

    id host:port@cport,hostname flags primary ping pong epoch link slot slot ...

Redis 3 has no `@cport`, and no version before 7.0 has a host name. An IPv6 address has no brackets.
The port is that for TLS if the command came over TLS, else the other one, so that the scheme of the
server that was asked belongs to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from zinfo.errors import SourceError
from zinfo.wire.addresses import MAX_PORT, check_host

MAX_LINES = 20_000
"""Maximum number of lines of a reply; a cluster has at most 16,384 primaries, and in practice 1,000
nodes."""

MAX_SKIPPED = 10
"""Maximum number of different reasons for nodes that are skipped."""

_MAX_FIELDS = 600  # characters of the fields before the slots
_PAUSE_LINES = 50  # lines between two calls of `pause`, which take less than 0.5 ms
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_NUMBER = re.compile(r"\d{1,20}", re.ASCII)
_UNKNOWN_HOSTS = frozenset({"", "0.0.0.0", "::"})
_NO_MEMBER = frozenset({"noaddr", "handshake"})


class ClusterNode(NamedTuple):
    """A node of a cluster, without what changes from one second to the next.

    Attributes:
        ident: its node id.
        host: IP address; or a name, if it announces one in its place.
        port: its port for clients.
        hostname: name that it announces beside its address; "" for none.
        primary: node id of the primary of a replica; "" for a primary.
        failed: whether the majority of primaries found that it does not reply.
        slots: whether it owns hash slots.
        epoch: its configuration epoch: the newest failover has the greatest.
    """

    ident: str
    host: str
    port: int
    hostname: str
    primary: str
    failed: bool
    slots: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The cluster as one of its nodes knows it.

    Attributes:
        myself: id of the node that was asked.
        nodes: the members by id, without nodes in handshake or of unknown address.
        skipped: number of lines that cannot be used, by reason.
        epoch: the greatest configuration epoch of its nodes.
    """

    myself: str
    nodes: Mapping[str, ClusterNode]
    skipped: Mapping[str, int]
    epoch: int


def parse_cluster_nodes(
    reply: bytes, host: str, port: int, pause: Callable[[], None] = lambda: None
) -> ClusterView:
    """Return the view in a reply to CLUSTER NODES.

    Args:
        reply: the text; comes from a server that is not trusted.
        host: address that the node was asked at; it replaces an own address that it does not know.
        port: port that it was asked at; it replaces an unknown one in the same way.
        pause: called after every piece of work that takes less than 1 ms.

    Raises:
        SourceError: the reply is not of this format, or has too many lines.
    """
    nodes: dict[str, ClusterNode] = {}
    skipped: Counter[str] = Counter()
    myself, newest = "", 0
    for number, line in enumerate(_lines(reply)):
        if number % _PAUSE_LINES == 0:
            pause()
        try:
            parsed = _parse(line, host, port)
            if parsed is None:
                continue
            node, is_myself = parsed
            if node.ident in nodes or (is_myself and myself):
                raise _SkippedError("a node is repeated in CLUSTER NODES")
        except _SkippedError as error:
            if str(error) in skipped or len(skipped) < MAX_SKIPPED:
                skipped[str(error)] += 1
            continue
        nodes[node.ident] = node
        newest = max(newest, node.epoch)
        if is_myself:
            myself = node.ident
    if not nodes:
        raise SourceError("the reply to CLUSTER NODES lists no node")
    if not myself:
        raise SourceError("the reply to CLUSTER NODES does not contain the node itself")
    return ClusterView(myself, nodes, dict(skipped), newest)


class _SkippedError(Exception):
    """A line cannot be used; the text says why."""


def _lines(reply: bytes) -> Iterator[str]:
    """Return the lines that are not empty; a long reply is not split at once."""
    at = count = 0
    while at < len(reply):
        end = reply.find(b"\n", at)
        end = len(reply) if end < 0 else end
        count += 1
        if count > MAX_LINES:
            raise SourceError(f"the reply to CLUSTER NODES has more than {MAX_LINES} lines")
        # The slots follow the fields, and may be long: whether there are any is all that is used.
        line = reply[at : min(end, at + _MAX_FIELDS + 50)].decode("utf-8", "replace").strip()
        at = end + 1
        if line:
            yield line


def _parse(line: str, host: str, port: int) -> tuple[ClusterNode, bool] | None:
    """Return the node of a line, and whether it is the one that was asked; None for no member."""
    fields = line.split(" ", 8)
    if len(fields) < 8 or sum(map(len, fields[:8])) > _MAX_FIELDS:
        raise _SkippedError("a bad line in CLUSTER NODES")
    ident, place, flag_text, primary, _ping, _pong, epoch, _link = fields[:8]
    flags = frozenset(flag_text.split(","))
    if flags & _NO_MEMBER:
        return None
    if not _ID.fullmatch(ident) or not (primary == "-" or _ID.fullmatch(primary)):
        raise _SkippedError("a bad line in CLUSTER NODES")
    is_myself = "myself" in flags
    address, _, names = place.partition(",")
    own_host, own_port = _split(address)
    if is_myself:
        own_host, own_port = own_host or host, own_port or port
    if not own_host:
        raise _SkippedError("a node with no address")
    if not own_port:
        raise _SkippedError("a node with no port for clients")
    slots = len(fields) > 8 and not fields[8].startswith("[")  # [ begins a slot that is migrating
    node = ClusterNode(
        ident,
        own_host,
        own_port,
        _hostname(names),
        "" if primary == "-" else primary,
        "fail" in flags,
        slots,
        int(epoch) if _NUMBER.fullmatch(epoch) else 0,
    )
    return node, is_myself


def _split(address: str) -> tuple[str, int]:
    """Return host and port; "" or 0 for one that is unknown."""
    host, _, port = address.partition("@")[0].rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    number = int(port) if _NUMBER.fullmatch(port) else 0
    return "" if host in _UNKNOWN_HOSTS else host, number if number <= MAX_PORT else 0


def _hostname(names: str) -> str:
    """Return the announced host name, which other fields may follow."""
    name = names.partition(",")[0]
    try:
        return "" if name == "*" else check_host(name)
    except ValueError:
        return ""
