"""Reads the few fields that the table shows, of all shards, from a daemon."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

from zinfo.client import Client
from zinfo.client.sockets import clock
from zinfo.top.facts import FactsReader
from zinfo.top.record import Reading, Status
from zinfo.wire.lifecycle import DOWN

FIELDS = (
    "run_id",
    "instantaneous_ops_per_sec",
    "total_commands_processed",
    "used_memory",
    "maxmemory",
    "connected_clients",
    "keyspace_hits",
    "keyspace_misses",
    "uptime_in_seconds",
    "total_connections_received",
    "total_net_input_bytes",
    "sentinel_masters",
    "garnet_version",
)
"""Fields that are read each time: of the columns, and those that show a restart or a reset."""

DATABASES = tuple(f"db{number}" for number in range(64))
"""Fields with the number of keys. Each time, the first and those that a shard has are read."""

_PAGE_TIMEOUT = 10.0  # seconds; a busy daemon takes its time for all shards


class Table(NamedTuple):
    """All shards at one moment.

    Attributes:
        statuses: by id.
        readings: the newest INFO of each shard that was polled.
    """

    statuses: dict[str, Status]
    readings: list[Reading]


class TableReader:
    """Reads all shards, or those with some labels.

    Args:
        client: sends the requests.
        labels: those that a shard must have; empty for any.
    """

    def __init__(self, client: Client, labels: Mapping[str, str]) -> None:
        self._client = client
        self._labels = labels
        self._facts = FactsReader(client, labels)
        self._databases = DATABASES[:1]

    def forget(self) -> None:
        """Read everything the next time: the daemon was restarted, or there was a pause."""
        self._facts.forget()

    def read(self, operations: Collection[str], changed: Collection[str] = ()) -> Table:
        """Return all shards.

        Args:
            operations: those that this client may call.
            changed: ids of shards of which events report other labels, or another role or version.

        Raises:
            NoAnswerError, RequestError, ProtocolError: as any request does.
        """
        if changed or self._facts.is_due(clock()):
            self._facts.read_all(clock(), operations)
            self._databases = self._read_databases()
        shards, readings = self._read_infos()
        states = {shard: state for shard, (state, _) in shards.items()}
        self._facts.read_lacking(states, changed, clock(), operations)
        return Table(self._statuses(shards), readings)

    def _read_infos(self) -> tuple[dict[str, tuple[str, float]], list[Reading]]:
        """Return the state and age of each shard, and the INFO of each that was polled."""
        shards, readings = {}, []
        for page in self._client.iter_infos(
            keys=[*FIELDS, *self._databases], labels=self._labels, timeout=_PAGE_TIMEOUT
        ):
            now = clock()
            for info in page:
                meta = info.pop("meta")
                shard, age = meta["shard_identifier"], meta["info_age"]
                shards[shard] = meta["state"], age
                readings.append(Reading(shard, meta["revision"], meta["time"], now - age, info))
        for shard, facts in self._facts.facts.items():  # those that were never polled
            shards.setdefault(shard, (facts.state, math.inf))
        return shards, readings

    def _read_databases(self) -> tuple[str, ...]:
        """Return the first database, and those that at least one shard has."""
        found = {DATABASES[0]}
        for page in self._client.iter_infos(
            keys=DATABASES, labels=self._labels, timeout=_PAGE_TIMEOUT
        ):
            found.update(*page)
        return tuple(name for name in DATABASES if name in found)

    def _statuses(self, shards: Mapping[str, tuple[str, float]]) -> dict[str, Status]:
        statuses = {}
        for shard, (state, age) in shards.items():
            known = self._facts.facts.get(shard)
            if known is None:  # it was added a moment ago
                statuses[shard] = Status(state, "", {}, age)
            else:
                reason = known.reason if state == DOWN else ""
                statuses[shard] = Status(
                    state, reason, known.labels, age, known.role, known.version
                )
        return statuses
