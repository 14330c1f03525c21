"""The operations about the daemon: `hello`, `events`, `stats` and `ping`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from zinfo._version import __version__
from zinfo.errors import BadRequestError
from zinfo.health.stats import Stats
from zinfo.query.arguments import (
    MAX_COLUMNS,
    MAX_IDS,
    MAX_KEYS,
    MAX_LABELS,
    MAX_SECTIONS,
    MAX_TOPICS,
)
from zinfo.query.call import Call, OperationResult
from zinfo.query.paging import Block
from zinfo.security.bus_rights import UNLIMITED
from zinfo.security.rights import INCLUDED_IN, Rights
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.source_status import FAILED, WAITING, SourceDirectory, SourceStatus
from zinfo.wire.codec import VERSION, pack
from zinfo.wire.identity import Identity
from zinfo.wire.query_messages import MAX_CONTAINERS
from zinfo.wire.slices import SliceSpec

_MAX_CURSOR_DIGITS = 20  # of the number of an event


class DaemonInfo(NamedTuple):
    """What the operations report about the daemon.

    Attributes:
        identity: its node and epoch.
        stats: its counters.
        sources: its sources of shards.
        bus_endpoints: returns the endpoints of the bus for a client with some rights.
        heartbeat: seconds between two heartbeats of the bus.
        clock: returns the wall clock.
    """

    identity: Identity
    stats: Stats
    sources: SourceDirectory
    bus_endpoints: Callable[[Rights], list[str]] = lambda _rights: []
    heartbeat: float = 1.0
    clock: Callable[[], float] = time.time


class DaemonOperations:
    """Runs the operations about the daemon.

    Args:
        daemon: what they report about it.
        publisher: the live shards.
        events: the lifecycle events.
        names: returns the names of all operations, for `hello`.
    """

    def __init__(
        self,
        daemon: DaemonInfo,
        publisher: ShardPublisher,
        events: EventLog,
        names: Callable[[], Sequence[str]],
    ) -> None:
        self._daemon = daemon
        self._publisher = publisher
        self._events = events
        self._names = names

    def hello(self, call: Call) -> OperationResult:
        """Return identity, versions, bus endpoints, limits, and the client's rights."""
        call.args.reject_unknown()
        identity = self._daemon.identity
        on_bus = call.rights.on_bus()
        endpoints = self._daemon.bus_endpoints(call.rights)
        return OperationResult(
            pack(
                {
                    **_describe_rights(call.rights),
                    "node": identity.node,
                    "epoch": identity.epoch,
                    "zinfo": __version__,
                    "versions": [VERSION],
                    "bus": endpoints,
                    "kinds": on_bus.kinds_of_topics if on_bus and endpoints else (),
                    "heartbeat": self._daemon.heartbeat,
                    "slice": _slice_map(self._daemon.sources.slice),
                    "waiting": len(self._daemon.sources.waiting_sources()),
                    "ops": list(self._names()),
                    "limits": {
                        "max_request_bytes": call.limits.max_request_bytes,
                        "max_reply_bytes": call.limits.max_reply_bytes,
                        "refresh_floor": call.limits.min_refresh_interval,
                        "max_ids": MAX_IDS,
                        "max_keys": MAX_KEYS,
                        "max_columns": MAX_COLUMNS,
                        "max_sections": MAX_SECTIONS,
                        "max_topics": MAX_TOPICS,
                        "max_labels": MAX_LABELS,
                        "max_containers": MAX_CONTAINERS,
                    },
                }
            )
        )

    def events(self, call: Call) -> OperationResult:
        """Return the stored lifecycle events after a number."""
        args, rights = call.args, call.rights
        since, ids = args.count("since"), frozenset(args.shard_ids())
        limit, cursor = args.count("limit"), args.text("cursor")
        args.reject_unknown()
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_CURSOR_DIGITS):
                raise BadRequestError("cursor is not from a reply to this query")
            since = max(since, int(cursor))
        call.require_visible(ids)
        oldest, newest = self._events.oldest, self._events.newest
        blocks = (
            Block((pack(rights.visible_event(event)),), str(event.number))
            for event in call.yielding(self._events.since(since))
            if (not ids or event.shard in ids) and rights.can_see(event.shard)
        )
        result = call.page(blocks, limit)
        return OperationResult(result.body, {**result.extra, "oldest": oldest, "newest": newest})

    def stats(self, call: Call) -> OperationResult:
        """Return the daemon's counters."""
        call.args.reject_unknown()
        states: Counter[str] = Counter()
        bad_lines = 0
        for shard in call.yielding(self._publisher.get_live_shards()):
            states[shard.state.value] += 1
            bad_lines += shard.snapshot.bad_lines if shard.snapshot else 0
        values = self._daemon.stats.as_map()
        values["shards"] = dict(states)
        values["bad_lines"] = bad_lines
        values["sources"] = _count_sources(self._daemon.sources.source_statuses())
        values["slice"] = _slice_map(self._daemon.sources.slice)
        values["events"] = self._events.newest
        values["callback_errors"] = self._publisher.callback_errors + self._events.callback_errors
        return OperationResult(pack(values))

    def ping(self, call: Call) -> OperationResult:
        """Return the daemon's wall clock."""
        call.args.reject_unknown()
        return OperationResult(pack(self._daemon.clock()))


def _slice_map(slice_spec: SliceSpec | None) -> Mapping[str, object] | None:
    return None if slice_spec is None else slice_spec.as_map()


def _count_sources(statuses: Sequence[SourceStatus]) -> dict[str, int]:
    """Return how many sources there are and in which state, and how many shards they lack."""
    states = Counter(status.state for status in statuses)
    return {
        "number": len(statuses),
        WAITING: states[WAITING],
        FAILED: states[FAILED],
        "missing": sum(status.missing for status in statuses),
        "held": sum(status.held for status in statuses),
    }


def _with_included(rights: Rights) -> set[str]:
    allowed = set(rights.operations or ())
    return allowed | {name for name, needed in INCLUDED_IN.items() if needed in allowed}


def _describe_rights(rights: Rights) -> dict[str, object]:
    """Return what `hello` reports about a client's rights; empty if they are unlimited."""
    on_bus = rights.on_bus()
    if on_bus == UNLIMITED:
        return {}
    described: dict[str, object] = {
        "shards": rights.shards,
        "withheld": rights.hidden_fields,
        "operations": None if rights.operations is None else sorted(_with_included(rights)),
        "kinds": on_bus.kinds if on_bus else (),
    }
    return {"rights": described}
