"""Reads some fields of all shards, and what else the table shows of them, from a daemon."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from typing import NamedTuple

from zinfo.client import Client
from zinfo.client.sockets import clock
from zinfo.top.facts import FactsReader
from zinfo.top.fields_reader import FieldsReader, ShardFields
from zinfo.top.record import Reading, Status


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
        self._facts = FactsReader(client, labels)
        self._fields = FieldsReader(client, labels)

    def forget(self) -> None:
        """Read everything the next time: the daemon was restarted, or there was a pause."""
        self._facts.forget()
        self._fields.forget()

    def read(
        self, operations: Collection[str], fields: Collection[str], changed: Collection[str] = ()
    ) -> Table:
        """Return all shards.

        Args:
            operations: those that this client may call.
            fields: of INFO, to be read.
            changed: ids of shards of which events report other labels, or another role or version.

        Raises:
            NoAnswerError, RequestError, ProtocolError: as any request does.
        """
        if changed or self._facts.is_due(clock()):
            self._facts.read_all(clock(), operations)
            self._fields.forget_absent()
        shards, readings = self._fields.read(fields)
        for shard, facts in self._facts.facts.items():
            # A daemon without columns says nothing of shards that were never polled.
            shards.setdefault(shard, ShardFields(facts.state, math.inf))
        states = {shard: one.state for shard, one in shards.items()}
        newer = self._facts.read_lacking(states, changed, clock(), operations)
        return Table(self._statuses(shards, newer, readings), readings)

    def _statuses(
        self,
        shards: Mapping[str, ShardFields],
        newer: Collection[str],
        readings: Collection[Reading],
    ) -> dict[str, Status]:
        """Return the status of each shard.

        Args:
            shards: of which fields were read.
            newer: those of which facts were read after the fields.
            readings: the newest INFO, by which the clocks of both machines are compared.
        """
        newest = max(readings, key=lambda one: one.at, default=None)
        # The daemon's wall clock minus the model's clock.
        ahead = time.time() - clock() if newest is None else newest.time - newest.at
        statuses = {}
        for shard, (state, age) in shards.items():
            known = self._facts.facts.get(shard)
            if known is None:  # it was added a moment ago
                statuses[shard] = Status(state, "", {}, age)
            elif known.state == state or shard in newer:
                since = None if known.since is None else known.since - ahead
                statuses[shard] = Status(
                    known.state, known.reason, known.labels, age, known.role, known.version,
                    known.error, since,
                )  # fmt: skip
            else:
                statuses[shard] = Status(state, "", known.labels, age, known.role, known.version)
        return statuses
