"""Reads what seldom changes of a shard: labels, role, version, its state, and why it is down."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from zinfo.client import Client
from zinfo.errors import UnknownShardError
from zinfo.info.server_version import KNOWN, version_of
from zinfo.wire.lifecycle import DOWN

INTERVAL = 10.0
"""Seconds after which the facts of all shards are read again."""

_FIELDS = ("role", "server_name", "redis_version", *KNOWN)
_MAX_IDS = 100  # shards whose facts are read by id; of more, the facts of all shards are read


class Facts(NamedTuple):
    """What seldom changes of a shard.

    Attributes:
        labels: by name.
        state: as of when this was read.
        reason: why it is down; else "", or where this client may not know it.
        role: as in INFO; None where unknown.
        version: of the server; None where unknown.
        error: newest error of a shard that is down; else "".
        since: when its state began, by the daemon's wall clock; None where unknown.
    """

    labels: Mapping[str, str]
    state: str
    reason: str
    role: str | None
    version: str | None
    error: str = ""
    since: float | None = None


class FactsReader:
    """The facts of all shards, or of those with some labels.

    Args:
        client: sends the requests.
        labels: those that a shard must have; empty for any.

    Attributes:
        facts: by id.
    """

    def __init__(self, client: Client, labels: Mapping[str, str]) -> None:
        self.facts: dict[str, Facts] = {}
        self._client = client
        self._labels = labels
        self._read_at = -math.inf

    def is_due(self, now: float) -> bool:
        """Return whether the facts of all shards should be read."""
        return now - self._read_at >= INTERVAL

    def forget(self) -> None:
        """Have the facts of all shards read the next time."""
        self._read_at = -math.inf

    def read_all(self, now: float, operations: Collection[str]) -> None:
        """Read the facts of all shards.

        Args:
            now: the time.
            operations: those that this client may call.

        Raises:
            NoAnswerError, RequestError, ProtocolError: as any request does.
        """
        self.facts = self._read((), operations)
        self._read_at = now

    def read_lacking(
        self,
        states: Mapping[str, str],
        changed: Collection[str],
        now: float,
        operations: Collection[str],
    ) -> Collection[str]:
        """Read the facts of shards that have other ones than are known.

        Args:
            states: of all shards, by id.
            changed: ids of shards of which events report other facts.
            now: the time.
            operations: those that this client may call.

        Returns:
            Ids of the shards whose facts were read.

        Raises:
            NoAnswerError, RequestError, ProtocolError: as any request does.
        """
        facts = self.facts
        lacking = {
            shard
            for shard, state in states.items()
            if shard not in facts or facts[shard].state != state
        }
        lacking.update(shard for shard in changed if shard in states)
        if not lacking:
            return ()
        if len(lacking) > _MAX_IDS:
            self.read_all(now, operations)
            return states.keys()
        try:
            self.facts.update(self._read(lacking, operations))
        except UnknownShardError:  # removed in the meantime
            self.read_all(now, operations)
            return states.keys()
        return lacking

    def _read(self, ids: Collection[str], operations: Collection[str]) -> dict[str, Facts]:
        if "shards" in operations:
            found = self._client.shards(ids, self._labels)
            return {one["id"]: _facts(one) for one in found}
        infos = self._client.get_infos(
            ids, _FIELDS, labels=self._labels, with_labels=True, allow_partial=True
        )
        return {info["meta"]["shard_identifier"]: _facts_in(info) for info in infos}


def _facts(one: Mapping[str, Any]) -> Facts:
    """Return the facts in an entry of the operation `shards`."""
    state = one["state"]
    error = one.get("error", "") if state == DOWN else ""
    since = one.get("since")  # older daemons do not say it
    return Facts(
        one["labels"],
        state,
        one["reason"],
        one["role"],
        one["version"],
        error if isinstance(error, str) else "",
        since if isinstance(since, float) else None,
    )


def _facts_in(info: dict[str, Any]) -> Facts:
    """Return the facts in an entry of `get_infos`."""
    meta, version, role = info.pop("meta"), version_of(info), info.get("role")
    role = role if isinstance(role, str) else None
    return Facts(meta.get("labels", {}), meta["state"], "", role, version and version.text)
