"""Which fields of a shard's INFO are in which section: asked of the daemon, by the sections' names.

What comes over the bus is fields without sections.
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
"""Sections of Redis, Valkey and their kin, what people look at most first."""


def ask_sections(client: Client, shard: str) -> dict[str, tuple[str, ...]]:
    """Return the names of the fields in each section that a shard has.

    Args:
        client: asks.
        shard: of whom.

    Raises:
        NoAnswerError, RequestError, ProtocolError: as any question does.
    """
    found = {}
    for name in NAMES:
        (info,) = client.get_infos([shard], sections=[name])
        fields = tuple(field for field in info if field != "meta")
        if fields:
            found[name] = fields
    return found
