"""Replay: publishes a recording on a bus again, with a query endpoint beside it.

One recorded start of the daemon is one `_Act`: a cache, a bus and a query endpoint, with an epoch
of its own. Where the recorded daemon was started again, so are they, at the same endpoints: clients
notice it by what they would have noticed it by then. Each replay has new epochs: its revisions
begin again, and nobody may take them for those of another.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gevent
import gevent.event
import zmq.green

from zinfo.bus.publisher import InfoBus
from zinfo.client.updates import Gap, Heartbeat, Restart, Stale
from zinfo.errors import EnvironmentNotReadyError, RecordingError, ZinfoError
from zinfo.health.stats import Stats
from zinfo.loop.supervisor import Supervisor
from zinfo.loop.yielding import CooperativeYield
from zinfo.query.call import QueryLimits
from zinfo.query.operations import Operations
from zinfo.query.router import QueryRouter
from zinfo.recording.clock import Pace
from zinfo.recording.reader import Moment, Recording, Span
from zinfo.recording.replay_cache import ReplayedServicer, Stage
from zinfo.sockets.listen import GreenContext
from zinfo.wire.identity import Identity

ANY_PORT = "tcp://127.0.0.1:*"

_HEARTBEAT = 1.0  # seconds
_HIGH_WATER_MARK = 1_000_000  # messages for a slow subscriber: a fast replay is one burst
_REBIND_SECONDS = 5.0  # for ports to be free again
_HOLD_SECONDS = 2.0  # for clients to come again after a start; a Mirror is stale after three beats
_ASK_SECONDS = 2.0  # for one who follows the bus to ask what is there; not all do
_LOOK_SECONDS = 0.02  # between two looks whether they have
_LINGER_SECONDS = 1.5  # for clients to read the end, and a heartbeat with its totals
_TERM_SECONDS = 1.0  # for ZeroMQ to let go of its sockets
_NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Options:
    """How a recording is replayed.

    Attributes:
        query: where to answer queries.
        bus: where to publish.
        speed: how many times as fast as it was, from 1 on; infinite for as fast as can be.
        since: seconds from the recording's beginning where to begin; what was before is there at
            once.
        until: likewise where to end.
        loop: whether to begin again at the end.
        wait: whether to begin when somebody has subscribed, and had time to ask what is there.
        exit: whether to leave at the end, rather than stay and answer.
    """

    query: str = ANY_PORT
    bus: str = ANY_PORT
    speed: float = 1.0
    since: float = 0.0
    until: float = _NEVER
    loop: bool = False
    wait: bool = False
    exit: bool = False


class Replay:
    """Replays a recording, once `run` is called.

    Args:
        recording: the recording.
        options: how.
        tell: called with what happens: "ready" (it listens), a `Gap`, `Stale` or `Restart` that was
            recorded, and "end".

    Attributes:
        query: the query endpoint; from "ready" on.
        bus: the bus; likewise.
        at: seconds since the recording began of what was published last.
    """

    def __init__(
        self,
        recording: Recording,
        options: Options,
        tell: Callable[[object], object] = lambda _what: None,
    ) -> None:
        if not options.speed >= 1:
            raise ValueError("slower than it was, a replay would look late to its clients")
        self.query, self.bus = options.query, options.bus
        self.at = 0.0
        self._recording = recording
        self._options = options
        self._tell = tell
        self._stopped = gevent.event.Event()
        self._act: _Act | None = None
        self._pace = Pace(options.speed, time.monotonic)
        self._listens = False  # somebody was told where
        self._had_subscribers = False  # the act before

    def stop(self) -> None:
        """Have `run` return."""
        self._stopped.set()

    def run(self) -> None:
        """Replay until the end, or `stop`, or SIGINT or SIGTERM.

        Raises:
            RecordingError: there is nothing in the recording, or it cannot be read.
            EnvironmentNotReadyError: an endpoint cannot be bound.
        """
        handlers = [
            gevent.signal_handler(number, self.stop) for number in (signal.SIGTERM, signal.SIGINT)
        ]
        playing = gevent.spawn(self._play)
        try:
            either: list[Any] = [playing, self._stopped]
            gevent.wait(either, count=1)
            failure = playing.get() if playing.ready() else None
            if failure is not None:
                raise failure
        finally:
            playing.kill()
            self._drop()
            for handler in handlers:
                handler.cancel()

    # --- the greenlet

    def _play(self) -> ZinfoError | None:
        """Play to the end; returns what went wrong, as a greenlet shows a traceback of errors."""
        try:
            self._play_all()
        except ZinfoError as error:
            return error
        return None

    def _play_all(self) -> None:
        while True:
            self._play_once()
            if not self._options.loop:
                break
            gevent.sleep(_LINGER_SECONDS)
            self._drop()
        self._pace.end()
        self._tell("end")
        if self._options.exit:
            gevent.sleep(_LINGER_SECONDS)
            return
        self._stopped.wait()

    def _play_once(self) -> None:
        self._pace.set(self._options.since)
        yielder = CooperativeYield()
        for moment in self._moments():
            if moment.at > self._options.since:
                self._raise_curtain()
                self._wait(moment)
            self._take(moment)
            yielder.maybe_yield()
        if self._act is None:
            raise RecordingError(
                f"{self._recording.path}: nothing whole is in it"
                + (" up to there" if self._options.until < _NEVER else "")
            )
        self._raise_curtain()

    def _moments(self) -> Iterator[Moment]:
        for moment in self._recording.moments(self._options.since):
            if moment.at > self._options.until:
                return
            yield moment

    def _wait(self, moment: Moment) -> None:
        if isinstance(moment.update, Span):
            self._pace.skip(moment.at)
        while (left := self._pace.wait(moment.at)) > 0:
            gevent.sleep(left)

    def _take(self, moment: Moment) -> None:
        update, act = moment.update, self._act
        self.at = moment.at
        if isinstance(update, Span) and (act is None or act.is_another(update)):
            self._begin_act(update, moment.at)
            return
        if act is None:
            return
        if isinstance(update, (Heartbeat, Span)):
            act.set_clock(update.time, moment.at)
        if isinstance(update, (Gap, Stale, Restart)):
            act.silent = True  # the recording knows nothing of what follows
            if self._listens:
                self._tell(update)
        else:
            act.stage.take(update)
            if isinstance(update, Span):
                act.silent = False
                act.beat()

    # --- the daemon that it stands for

    def _begin_act(self, span: Span, at: float) -> None:
        self._drop()
        self._act = act = _Act(span, self._pace)
        act.set_clock(span.time, at)
        act.stage.take(span)

    def _raise_curtain(self) -> None:
        """Listen, where that was not begun yet; no time passes in the recording meanwhile."""
        act = self._act
        if act is None or act.is_open:
            return
        at = self._pace.position()
        self._open(act)
        if not self._listens:
            self._listens = True
            self._tell("ready")
            if self._options.wait:
                self._hold(lambda: act.is_subscribed, _NEVER)
                # A delta that comes before the snapshot that it belongs to may be overtaken by it.
                self._hold(lambda: act.is_known, _ASK_SECONDS)
        elif self._had_subscribers:
            self._hold(lambda: act.is_joined, _HOLD_SECONDS)
        self._pace.set(at)

    def _open(self, act: _Act) -> None:
        until = time.monotonic() + (_REBIND_SECONDS if self._listens else 0.0)
        while True:
            try:
                act.open(self.query, self.bus)
            except EnvironmentNotReadyError:
                if time.monotonic() >= until:
                    raise
                gevent.sleep(_LOOK_SECONDS)  # ZeroMQ lets go of a port a little later
            else:
                break
        self.query, self.bus = act.query, act.bus_endpoint

    def _hold(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until clients are there."""
        until = time.monotonic() + seconds
        while not ready() and time.monotonic() < until:
            gevent.sleep(_LOOK_SECONDS)

    def _drop(self) -> None:
        if self._act is not None:
            self._had_subscribers = self._act.is_subscribed
            self._act.close()
            self._act = None


class _Act:
    """One start of the recorded daemon: its cache, and once it is open, its bus and queries.

    Args:
        span: the first one of it.
        pace: tells what time it is in the recording.

    Attributes:
        stage: the cache.
        silent: whether the daemon was not heard, so that there are no heartbeats.
        query, bus_endpoint: where it listens, once it is open.
    """

    def __init__(self, span: Span, pace: Pace) -> None:
        self.stage = Stage()
        self.silent = False
        self.query = self.bus_endpoint = ""
        self._span = span
        self._pace = pace
        self._identity = Identity(node=span.node)
        self._stats = Stats()
        self._supervisor = Supervisor(self._stats.count_restart)
        self._ahead = 0.0  # of the daemon's wall clock before the recording's seconds
        self._context: GreenContext | None = None
        self._bus: InfoBus | None = None
        self._router: QueryRouter | None = None

    def is_another(self, span: Span) -> bool:
        """Return whether a span is of another start of the daemon, or counts otherwise."""
        mine = (self._span.node, self._span.epoch, self._span.whole)
        return mine != (span.node, span.epoch, span.whole)

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._router is not None

    @property
    def is_subscribed(self) -> bool:
        """Whether somebody follows the bus."""
        return self._stats.bus.topics > 0

    @property
    def is_joined(self) -> bool:
        """Whether somebody has asked where the bus is, and then followed it."""
        return self.is_subscribed and self._stats.query.requests["hello"] > 0

    @property
    def is_known(self) -> bool:
        """Whether somebody has asked what is there when it begins."""
        requests = self._stats.query.requests
        return requests["snapshot"] + requests["get_infos"] > 0

    def set_clock(self, wall: float, at: float) -> None:
        """Take the daemon's wall clock at a moment of the recording."""
        self._ahead = wall - at

    def clock(self) -> float:
        """Return what the daemon's wall clock showed then."""
        return self._pace.position() + self._ahead

    def open(self, query: str, bus: str) -> None:
        """Listen.

        Raises:
            EnvironmentNotReadyError: an endpoint cannot be bound; nothing listens then.
        """
        # Of its own: only its end says that ZeroMQ has let go of the ports.
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
        self._supervisor.spawn("heartbeat", self._keep_beating)

    def _open(self, context: GreenContext, query: str, bus: str) -> None:
        limits = QueryLimits()
        self._bus = InfoBus(
            context,
            bus,
            self.stage.publisher,
            self.stage,
            stats=self._stats,
            identity=self._identity,
            high_water_mark=_HIGH_WATER_MARK,
            heartbeat=_HEARTBEAT,
            clock=self.clock,
        )
        self.bus_endpoint = self._bus.endpoint
        operations = Operations(
            ReplayedServicer(self.stage.publisher),
            self.stage,
            stats=self._stats,
            identity=self._identity,
            limits=limits,
            bus_endpoints=lambda _rights: [self.bus_endpoint],
            heartbeat=_HEARTBEAT,
            clock=self.clock,
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
        """Listen no more."""
        self._supervisor.stop()
        self._close_sockets()

    def _close_sockets(self) -> None:
        if self._router is not None:
            self._router.close()
        if self._bus is not None:
            self._bus.close()
        if self._context is not None:
            # As there is no LINGER this is quick; but nothing may hang whatever happens.
            gevent.get_hub().threadpool.spawn(self._context.term).wait(_TERM_SECONDS)
        self._router = self._bus = self._context = None

    def _keep_beating(self) -> None:
        while True:
            gevent.sleep(_HEARTBEAT)
            if not self.silent:
                self.beat()
