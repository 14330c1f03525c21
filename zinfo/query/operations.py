"""Operations: runs the operations of the query endpoint; decoded request in, encoded body out.

`shard_operations`, `column_operations`, `history_operations`, `source_operations` and
`daemon_operations` have the operations themselves. No socket here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import gevent

from zinfo.errors import DeadlineError, UnknownOpError
from zinfo.health.stats import Stats
from zinfo.history.history import History
from zinfo.loop.yielding import CooperativeYield
from zinfo.query.arguments import Arguments
from zinfo.query.call import Call, OperationResult, QueryLimits
from zinfo.query.column_operations import ColumnOperations
from zinfo.query.daemon_operations import DaemonInfo, DaemonOperations
from zinfo.query.history_operations import HistoryOperations
from zinfo.query.servicer import InfoProviderServicer
from zinfo.query.shard_operations import ShardOperations
from zinfo.query.source_operations import SourceOperations
from zinfo.security.rights import ALL_RIGHTS, Rights
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.source import SnapshotSource
from zinfo.shards.source_status import NoSources, SourceDirectory
from zinfo.wire.identity import Identity
from zinfo.wire.query_messages import Request

_WAIT_PART = 0.9  # part of a deadline for waiting for polls; the rest is for the reply
_QUICK_SHARDS = 4  # maximum number of shards in a quick request
_QUICK_ITEMS = 16  # maximum number of items in each of its arguments
_QUICK_BYTES = 1 << 16  # maximum size of the INFO of these shards, which may have to be parsed


class Operations:
    """Runs the operations of the query endpoint.

    Args:
        servicer: answers queries for INFO.
        poller: polls on demand, and has the lifecycle events.
        stats: the counters that `stats` reports.
        identity: of the daemon.
        limits: limits of requests and replies.
        sources: the sources of shards; None for none.
        bus_endpoints: returns the endpoints of the bus for a client with some rights.
        heartbeat: seconds between two heartbeats of the bus.
        clock: returns the wall clock that `ping` reports.
        history: of the shards; None for none: then there is no such operation.

    Attributes:
        planner: decides which fields are read from each reply when it arrives.
    """

    def __init__(  # noqa: PLR0913 - each is a part of the daemon
        self,
        servicer: InfoProviderServicer,
        poller: SnapshotSource,
        *,
        stats: Stats,
        identity: Identity,
        limits: QueryLimits,
        sources: SourceDirectory | None = None,
        bus_endpoints: Callable[[Rights], list[str]] = lambda _rights: [],
        heartbeat: float = 1.0,
        clock: Callable[[], float] = time.time,
        history: History | None = None,
    ) -> None:
        self._publisher = servicer.publisher
        self.limits = limits
        shards, columns = ShardOperations(servicer, poller), ColumnOperations(servicer)
        self.planner = columns.planner
        self.sources: SourceDirectory = sources or NoSources()
        source = SourceOperations(self.sources, servicer.publisher, clock)
        info = DaemonInfo(identity, stats, self.sources, bus_endpoints, heartbeat, clock)
        daemon = DaemonOperations(info, servicer.publisher, poller.events, lambda: self.names)
        self._run: dict[str, Callable[[Call], OperationResult]] = {
            "hello": daemon.hello,
            "get_infos": shards.get_infos,
            "get_columns": columns.get_columns,
            **_history_operations(servicer.publisher, history),
            "shards": shards.shards,
            "snapshot": shards.snapshot,
            "events": daemon.events,
            "sources": source.sources,
            "accept_source": source.accept_source,
            "stats": daemon.stats,
            "ping": daemon.ping,
        }

    @property
    def names(self) -> list[str]:
        """The names of all operations."""
        return list(self._run)

    def is_quick(self, request: Request) -> bool:
        """Return whether a request takes well below a millisecond, and never waits."""
        if request.op in ("ping", "hello"):
            return True
        if request.op in ("events", "get_columns"):
            return False
        args = request.args
        ids = args.get("shard_ids") or args.get("ids")  # of which only one is valid
        if not isinstance(ids, list) or not 0 < len(ids) <= _QUICK_SHARDS:
            return False
        if args.get("refresh"):
            return False
        for value in args.values():
            if isinstance(value, (list, dict)) and len(value) > _QUICK_ITEMS:
                return False
        return self._size_of(ids) <= _QUICK_BYTES

    def _size_of(self, ids: Sequence[object]) -> int:
        """Return the size of the newest INFO of some shards, in bytes."""
        size = 0
        for shard_id in ids:
            shard = self._publisher.find_shard(shard_id) if isinstance(shard_id, str) else None
            if shard is not None and shard.snapshot is not None:
                size += len(shard.snapshot.raw)
        return size

    def run(
        self,
        request: Request,
        rights: Rights | None = None,
        *,
        quick: bool | None = None,
        limits: QueryLimits | None = None,
    ) -> OperationResult:
        """Run one request; may wait for polls, and yields to the event loop during long work.

        Args:
            request: the request.
            rights: which shards and fields the client can see; None for all. The caller has checked
                that the client is allowed to call the operation.
            quick: result of `is_quick`; None if it has not been called.
            limits: of this request; None for the limits of the query endpoint.

        Raises:
            RequestError: the request is invalid, or cannot be answered.
        """
        run = self._run.get(request.op)
        if run is None:
            raise UnknownOpError(
                f"unknown operation {request.op[:80]!r}; known are: {', '.join(self._run)}"
            )
        args, rights, limits = Arguments(request.args), rights or ALL_RIGHTS, limits or self.limits
        if quick is None:
            quick = self.is_quick(request)
        # A quick request must not yield: its caller has other requests to run.
        yield_point = _never_yield if quick else CooperativeYield(low_priority=True).maybe_yield
        if request.deadline is None:
            wait = limits.refresh_timeout
            return run(Call(args, wait, rights, yield_point, limits))
        with gevent.Timeout(request.deadline, DeadlineError("the deadline passed")):
            wait = request.deadline * _WAIT_PART
            return run(Call(args, wait, rights, yield_point, limits))


def _history_operations(
    publisher: ShardPublisher, history: History | None
) -> dict[str, Callable[[Call], OperationResult]]:
    return {} if history is None else {"history": HistoryOperations(publisher, history).history}


def _never_yield() -> None:
    """Yield point of quick requests."""
