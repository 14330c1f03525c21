"""Which of the shards is meant by an address in INFO: primaries and replicas of a shard. Pure.

Servers know each other by addresses of their own, which need not be the ids of the shards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from zinfo.client.updates import Value
from zinfo.views.rows import Row

FIELDS = ("master_replid", "master_host", "master_port", "tcp_port")
"""The fields of INFO by which primaries are found."""

REPLICA_ROLE = "slave"
"""The role of a replica, as in INFO."""

_NO_REPLID = re.compile(r"0*")
_REPLICA = re.compile(r"slave[0-9]{1,5}")
_MAX_CHAIN = 20  # replicas of replicas; those that name each other have no end


class Replica(NamedTuple):
    """A replica that a primary's INFO lists.

    Attributes:
        address: `host:port`, as the primary knows it.
        shard: id of the shard; "" where no shard has the address.
        state: as in INFO: "online", "send_bulk", ...; "" where unknown.
        lag: seconds since its last acknowledgement; None where unknown.
        offset: what it has acknowledged, in bytes of the replication stream; None where unknown.
    """

    address: str
    shard: str
    state: str
    lag: int | None
    offset: int | None


class Peers:
    """Finds shards by the addresses that servers give.

    A shard is found by its id if that is an address, or by its label `hostname` and `tcp_port`.

    Args:
        rows: all shards, not only those that are shown; in the order of their ids.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[str, Row] = {}
        self._addresses: dict[tuple[str, str], str] = {}
        self._replids: dict[str, str] = {}
        for row in rows:
            self._rows[row.shard] = row
            found = split_address(row.shard)
            if found:
                self._addresses.setdefault(found, row.shard)
            hostname, port = row.labels.get("hostname"), row.info.get("tcp_port")
            if hostname and port:
                self._addresses.setdefault((hostname.lower(), str(port)), row.shard)
            replid = _replid(row)
            if replid and row.role != REPLICA_ROLE:
                self._replids.setdefault(replid, row.shard)

    def find(self, host: str, port: object) -> str:
        """Return the id of the shard at an address; "" where there is none."""
        return self._addresses.get((host.strip("[]").lower(), str(port)), "")

    def primary(self, row: Row) -> str:
        """Return the id of the primary that a replica follows directly.

        Returns:
            The id of a shard; the address that INFO has where no shard is found; "" where the row
            is no replica or INFO has none.
        """
        if row.role != REPLICA_ROLE:
            return ""
        host, port = row.info.get("master_host"), row.info.get("master_port")
        if isinstance(host, str) and host and port is not None:
            found = self.find(host, port)
            if found and found != row.shard:
                return found
        by_replid = self._replids.get(_replid(row), "")
        if by_replid and by_replid != row.shard:
            return by_replid
        group = row.labels.get("group", "")  # of the sources cluster and sentinel
        if group in self._rows and group != row.shard:
            return group
        return address_text(host, port) if isinstance(host, str) and host else ""

    def root(self, row: Row) -> str:
        """Return the id of the primary at the end of a chain of replicas.

        Returns:
            As `primary`; the row's own id where it is a primary, or where it is not known whose
            replica it is.
        """
        shard, passed = row.shard, {row.shard}
        for _ in range(_MAX_CHAIN):
            known = self._rows.get(shard)
            above = self.primary(known) if known else ""
            if not above:
                return shard
            if above in passed:  # they follow each other
                return min(passed)
            passed.add(above)
            shard = above
        return shard

    def __contains__(self, shard: object) -> bool:
        return shard in self._rows

    def replicas(self, info: Mapping[str, Value]) -> list[Replica]:
        """Return the replicas that a primary's whole INFO lists, in its order."""
        return [
            self._replica(value)
            for name, value in info.items()
            if _REPLICA.fullmatch(name) and isinstance(value, dict)
        ]

    def _replica(self, value: Mapping[str, Value]) -> Replica:
        host, port, state = str(value.get("ip", "")), value.get("port", ""), value.get("state")
        lag, offset = value.get("lag"), value.get("offset")
        return Replica(
            address_text(host, port),
            self.find(host, port),
            state if isinstance(state, str) else "",
            lag if isinstance(lag, int) else None,
            offset if isinstance(offset, int) else None,
        )


def split_address(text: str) -> tuple[str, str] | None:
    """Return host and port of `host:port`, `[IPv6]:port` or a URL; None where it is none."""
    host, _, port = text.rpartition("://")[2].rpartition(":")
    if not (host and port.isascii() and port.isdigit()) or "/" in host:
        return None
    return host.strip("[]").lower(), port


def address_text(host: str, port: object) -> str:
    """Return `host:port`; an IPv6 address is put in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _replid(row: Row) -> str:
    """Return the id of the replication stream; "" where there is none."""
    found = row.info.get("master_replid")
    return "" if not isinstance(found, str) or _NO_REPLID.fullmatch(found) else found
