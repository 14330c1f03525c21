"""Sources of shards in any state, for tests of what shows them: a directory, and queries to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from zinfo.health.stats import Stats
from zinfo.query.call import QueryLimits
from zinfo.query.operations import Operations
from zinfo.query.servicer import InfoProviderServicer
from zinfo.security.rights import Rights
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.source_status import FAILED, OK, WAITING, SourceStatus
from zinfo.wire.codec import unpack
from zinfo.wire.identity import Identity
from zinfo.wire.query_messages import Request
from zinfo.wire.slices import SliceSpec

NOW = 1_796_000_000.0
"""The wall clock of the queries, seconds since the Unix epoch."""

STATUSES = (
    SourceStatus("static", "static", OK, 2, 2, last_success=NOW - 90, last_duration=0.0, reads=1),
    SourceStatus(
        *("cmdb", "http", FAILED, 4812, 4800),
        skipped={"no credentials for 10.99.1.4": 2, "bad port": 1},
        error="HTTP status 503",
        failures=12,
        last_success=NOW - 125,
        last_duration=0.25,
        reads=40,
        failed_reads=12,
        added=4812,
    ),
    SourceStatus(
        *("orders", "cluster", OK, 12, 12, 7, 7),
        notes=("seed b: knows only itself, no vote",),
        last_success=NOW - 1,
        last_duration=0.01,
        reads=700,
        added=13,
        removed=1,
    ),
    SourceStatus("pods", "dns", WAITING, error="timeout", failures=1, failed_reads=1),
)
"""A source in each state."""


class FakeSources:
    """A `SourceDirectory` whose states a test sets.

    Attributes:
        statuses: the states.
        accepted: names whose answers were accepted.
        slice: the slice of all shards that the daemon polls.
    """

    slice: SliceSpec | None = None

    def __init__(self, statuses: Sequence[SourceStatus] = STATUSES) -> None:
        self.statuses = list(statuses)
        self.accepted: list[str] = []

    def source_statuses(self) -> Sequence[SourceStatus]:
        """Return the states."""
        return self.statuses

    def accept_source(self, name: str) -> int:
        """Return the number of missing shards, which are no longer missing then."""
        for at, status in enumerate(self.statuses):
            if status.name == name:
                self.accepted.append(name)
                self.statuses[at] = status._replace(missing=0, held=0)
                return status.missing
        raise KeyError(name)

    def waiting_sources(self) -> Sequence[str]:
        """Return the names of those that wait."""
        return [status.name for status in self.statuses if status.state == WAITING]


def shard(ident: str, labels: Mapping[str, str] | None = None, **attributes: Any) -> RedisShard:
    """Return a shard with some attributes, such as its state."""
    made = RedisShard(ident, "redis://127.0.0.1:1", labels)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def publisher_of(*shards: RedisShard) -> ShardPublisher:
    """Return a registry of shards that nothing polls."""
    publisher = ShardPublisher()
    for one in shards:
        publisher.add_shard(one)
    return publisher


class Queries:
    """The operations of a daemon that polls nothing.

    Args:
        sources: the sources.
        shards: the live shards.
    """

    def __init__(self, sources: FakeSources, *shards: RedisShard) -> None:
        poller: Any = SimpleNamespace(
            events=EventLog(), revisions=0, subscribe_snapshots=lambda _callback: None
        )
        self.operations = Operations(
            InfoProviderServicer(publisher_of(*shards)),
            poller,
            stats=Stats(),
            identity=Identity(node="test"),
            limits=QueryLimits(),
            sources=sources,
            clock=lambda: NOW,
        )

    def ask(self, op: str, rights: Rights | None = None, /, **args: Any) -> Any:
        """Return the body of a reply."""
        return unpack(self.operations.run(Request(op, args), rights).body)
