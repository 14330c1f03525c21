"""ReplayedDaemon: cache, bus and query endpoint for one start of the recorded daemon."""

from __future__ import annotations

import gevent
import zmq.green

from zinfo.bus.publisher import InfoBus
from zinfo.errors import EnvironmentNotReadyError
from zinfo.health.stats import Stats
from zinfo.loop.supervisor import Supervisor
from zinfo.query.call import QueryLimits
from zinfo.query.operations import Operations
from zinfo.query.router import QueryRouter
from zinfo.recording.clock import ReplayClock
from zinfo.recording.replay_cache import ReplayCache, ReplayedServicer
from zinfo.recording.segments import Segment
from zinfo.sockets.listen import GreenContext
from zinfo.wire.identity import Identity

_HEARTBEAT = 1.0  # seconds between heartbeats
_HIGH_WATER_MARK = 1_000_000  # messages for a slow subscriber: a fast replay is one burst
_TERM_SECONDS = 1.0  # for ZeroMQ to close its sockets


class ReplayedDaemon:
    """A cache and, once it is open, a bus and a query endpoint with an epoch of their own.

    Args:
        segment: the first one of this start of the daemon.
        clock: the time in the recording.

    Attributes:
        cache: the shards and events.
        silent: whether the recorded daemon was silent, so that no heartbeats are published.
        query, bus_endpoint: where it listens, once it is open.
    """

    def __init__(self, segment: Segment, clock: ReplayClock) -> None:
        self.cache = ReplayCache()
        self.silent = False
        self.query = self.bus_endpoint = ""
        self._segment = segment
        self._replay_clock = clock
        self._identity = Identity(node=segment.node)
        self._stats = Stats()
        self._supervisor = Supervisor(self._stats.count_restart)
        self._offset = 0.0  # the daemon's wall clock minus the position in the recording
        self._context: GreenContext | None = None
        self._bus: InfoBus | None = None
        self._router: QueryRouter | None = None

    def differs_from(self, segment: Segment) -> bool:
        """Return whether a segment is of another start of the daemon, or has other totals."""
        mine = (self._segment.node, self._segment.epoch, self._segment.complete)
        return mine != (segment.node, segment.epoch, segment.complete)

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._router is not None

    @property
    def has_subscriber(self) -> bool:
        """Whether the bus has a subscriber."""
        return self._stats.bus.topics > 0

    @property
    def has_joined_client(self) -> bool:
        """Whether a client has requested the bus endpoint with `hello`, and then subscribed."""
        return self.has_subscriber and self._stats.query.requests["hello"] > 0

    @property
    def has_informed_client(self) -> bool:
        """Whether a client has fetched the initial state."""
        requests = self._stats.query.requests
        return requests["snapshot"] + requests["get_infos"] + requests["get_columns"] > 0

    def set_wall_clock(self, wall: float, at: float) -> None:
        """Set the daemon's wall clock at a position in the recording."""
        self._offset = wall - at

    def wall_clock(self) -> float:
        """Return the daemon's wall clock at the current position in the recording."""
        return self._replay_clock.position() + self._offset

    def open(self, query: str, bus: str) -> None:
        """Listen.

        Raises:
            EnvironmentNotReadyError: an endpoint cannot be bound; neither is bound then.
        """
        # A context of its own: only its end shows that ZeroMQ has released the ports.
        self._context = zmq.green.Context()
        try:
            self._open(self._context, query, bus)
        except EnvironmentNotReadyError:
            self._close_sockets()
            raise
        assert self._bus is not None
        assert self._router is not None
        self._supervisor.spawn("bus", self._bus.run_subscriptions)
        self._supervisor.spawn("query endpoint", self._router.run)
        self._supervisor.spawn("heartbeat", self._run_heartbeats)

    def _open(self, context: GreenContext, query: str, bus: str) -> None:
        limits = QueryLimits()
        self._bus = InfoBus(
            context,
            bus,
            self.cache.publisher,
            self.cache,
            stats=self._stats,
            identity=self._identity,
            high_water_mark=_HIGH_WATER_MARK,
            heartbeat=_HEARTBEAT,
            clock=self.wall_clock,
        )
        self.bus_endpoint = self._bus.endpoint
        operations = Operations(
            ReplayedServicer(self.cache.publisher),
            self.cache,
            stats=self._stats,
            identity=self._identity,
            limits=limits,
            bus_endpoints=lambda _rights: [self.bus_endpoint],
            heartbeat=_HEARTBEAT,
            clock=self.wall_clock,
        )
        self._router = QueryRouter(
            context,
            query,
            operations,
            stats=self._stats,
            identity=self._identity,
            limits=limits,
        )
        self.query = self._router.endpoint
        self._bus.query_endpoint = self._router.client_endpoint

    def beat(self) -> None:
        """Publish one heartbeat."""
        if self._bus is not None:
            self._bus.publish_heartbeat()

    def close(self) -> None:
        """Stop listening."""
        self._supervisor.stop()
        self._close_sockets()

    def _close_sockets(self) -> None:
        if self._router is not None:
            self._router.close()
        if self._bus is not None:
            self._bus.close()
        if self._context is not None:
            # Without LINGER `term` returns soon; the bound is for the case that it does not.
            gevent.get_hub().threadpool.spawn(self._context.term).wait(_TERM_SECONDS)
        self._router = self._bus = self._context = None

    def _run_heartbeats(self) -> None:
        while True:
            gevent.sleep(_HEARTBEAT)
            if not self.silent:
                self.beat()
