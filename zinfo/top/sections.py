"""Requests from the daemon which fields of a shard's INFO are in which section.

Messages on the bus have fields, but no sections.
"""

from __future__ import annotations

from zinfo.client import Client

NAMES = (
    "Server",
    "TLS",
    "Clients",
    "Memory",
    "Persistence",
    "Threads",
    "Stats",
    "Replication",
    "CPU",
    "Sentinel",
    "Cluster",
    "Cluster Info",
    "Modules",
    "Scripting Engines",
    "KeyDB",
    "Tiered",
    "Data",
    "Keyspace",
    "Keysizes",
    "Errorstats",
    "Commandstats",
    "Latencystats",
    "Command_Exec_Count",
)
"""Sections of Redis, Valkey and compatible servers, the most used first."""


def fetch_sections(client: Client, shard: str) -> dict[str, tuple[str, ...]]:
    """Return the names of the fields in each section that a shard has.

    Args:
        client: sends the requests.
        shard: id of the shard.

    Raises:
        NoAnswerError, RequestError, ProtocolError: as any request does.
    """
    found = {}
    for name in NAMES:
        (info,) = client.get_infos([shard], sections=[name])
        fields = tuple(field for field in info if field != "meta")
        if fields:
            found[name] = fields
    return found
