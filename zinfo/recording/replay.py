"""Replay: publishes a recording on a bus again, with a query endpoint beside it.

Each start of the recorded daemon becomes one `ReplayedDaemon` with an epoch of its own. Where the
recorded daemon was restarted, the ReplayedDaemon is replaced by another one at the same endpoints,
and clients notice it by the same signs. Every replay has new epochs, as its revisions start again
and must not be confused with those of another replay.
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

from zinfo.client.updates import Gap, Heartbeat, Restart, Stale
from zinfo.errors import EnvironmentNotReadyError, RecordingError, ZinfoError
from zinfo.loop.yielding import CooperativeYield
from zinfo.recording.clock import ReplayClock
from zinfo.recording.reader import Recording
from zinfo.recording.replayed_daemon import ReplayedDaemon
from zinfo.recording.segments import Moment, Segment

ANY_PORT = "tcp://127.0.0.1:*"

_REBIND_SECONDS = 5.0  # for ZeroMQ to release the ports of the previous ReplayedDaemon
_REJOIN_SECONDS = 2.0  # for clients to join again; a Mirror is stale after three heartbeats
_SNAPSHOT_SECONDS = 2.0  # for a subscriber to fetch the initial state; not all of them do
_CHECK_INTERVAL = 0.02  # seconds between two checks for clients
_LINGER_SECONDS = 1.5  # for clients to receive the last messages and a heartbeat with totals
_NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Options:
    """How a recording is replayed.

    Attributes:
        query: query endpoint to bind.
        bus: bus endpoint to bind.
        speed: times as fast as recorded, at least 1; infinite for as fast as possible.
        since: seconds from the start of the recording at which to begin; everything before is
            applied to the cache at once.
        until: seconds from the start of the recording at which to end.
        loop: whether to begin again at the end.
        wait: whether to wait for a client that has fetched the initial state.
        exit: whether to return at the end, instead of answering queries until stopped.
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
    """Replays a recording when `run` is called.

    Args:
        recording: the recording.
        options: how.
        tell: called with "ready" when it listens, with each `Gap`, `Stale` and `Restart` that was
            recorded, and with "end".

    Attributes:
        query: the bound query endpoint, from "ready" on.
        bus: the bound bus endpoint, from "ready" on.
        at: seconds from the start of the recording of what was published last.
    """

    def __init__(
        self,
        recording: Recording,
        options: Options,
        tell: Callable[[object], object] = lambda _what: None,
    ) -> None:
        if not options.speed >= 1:
            raise ValueError("a speed below 1 would make messages look late to clients")
        self.query, self.bus = options.query, options.bus
        self.at = 0.0
        self._recording = recording
        self._options = options
        self._tell = tell
        self._stopped = gevent.event.Event()
        self._daemon: ReplayedDaemon | None = None
        self._clock = ReplayClock(options.speed, time.monotonic)
        self._is_ready = False  # whether "ready" was reported
        self._had_subscriber = False  # whether the previous ReplayedDaemon had one

    def stop(self) -> None:
        """Make `run` return."""
        self._stopped.set()

    def run(self) -> None:
        """Replay until the end, `stop`, SIGINT or SIGTERM.

        Raises:
            RecordingError: the recording is empty, or it cannot be read.
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
            self._close_daemon()
            for handler in handlers:
                handler.cancel()

    # --- the greenlet

    def _play(self) -> ZinfoError | None:
        """Play to the end; return the error, as gevent prints a traceback of one that is raised."""
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
            self._close_daemon()
        self._clock.end()
        self._tell("end")
        if self._options.exit:
            gevent.sleep(_LINGER_SECONDS)
            return
        self._stopped.wait()

    def _play_once(self) -> None:
        self._clock.set(self._options.since)
        yielder = CooperativeYield()
        for moment in self._moments():
            if moment.at > self._options.since:
                self._start_listening()
                self._wait_for(moment)
            self._apply(moment)
            yielder.maybe_yield()
        if self._daemon is None:
            raise RecordingError(
                f"{self._recording.path}: it contains no complete segment"
                + (" up to that time" if self._options.until < _NEVER else "")
            )
        self._start_listening()

    def _moments(self) -> Iterator[Moment]:
        for moment in self._recording.moments(self._options.since):
            if moment.at > self._options.until:
                return
            yield moment

    def _wait_for(self, moment: Moment) -> None:
        if isinstance(moment.update, Segment):
            self._clock.skip_gap(moment.at)
        while (left := self._clock.wait(moment.at)) > 0:
            gevent.sleep(left)

    def _apply(self, moment: Moment) -> None:
        update, daemon = moment.update, self._daemon
        self.at = moment.at
        if isinstance(update, Segment) and (daemon is None or daemon.differs_from(update)):
            self._start_daemon(update, moment.at)
            return
        if daemon is None:
            return
        if isinstance(update, (Heartbeat, Segment)):
            daemon.set_wall_clock(update.time, moment.at)
        if isinstance(update, (Gap, Stale, Restart)):
            daemon.silent = True  # until the next segment
            if self._is_ready:
                self._tell(update)
        else:
            daemon.cache.apply(update)
            if isinstance(update, Segment):
                daemon.silent = False
                daemon.beat()

    # --- the ReplayedDaemon

    def _start_daemon(self, segment: Segment, at: float) -> None:
        self._close_daemon()
        self._daemon = daemon = ReplayedDaemon(segment, self._clock)
        daemon.set_wall_clock(segment.time, at)
        daemon.cache.apply(segment)

    def _start_listening(self) -> None:
        """Listen, unless it listens already; the clock of the recording stands still meanwhile."""
        daemon = self._daemon
        if daemon is None or daemon.is_open:
            return
        at = self._clock.position()
        self._open(daemon)
        if not self._is_ready:
            self._is_ready = True
            self._tell("ready")
            if self._options.wait:
                self._wait_until(
                    lambda: daemon.has_subscriber or daemon.has_informed_client, _NEVER
                )
                # A delta published before the snapshot is requested would be in the snapshot, so
                # that the client would not see it as a change.
                self._wait_until(lambda: daemon.has_informed_client, _SNAPSHOT_SECONDS)
        elif self._had_subscriber:
            self._wait_until(lambda: daemon.has_joined_client, _REJOIN_SECONDS)
        self._clock.set(at)

    def _open(self, daemon: ReplayedDaemon) -> None:
        until = time.monotonic() + (_REBIND_SECONDS if self._is_ready else 0.0)
        while True:
            try:
                daemon.open(self.query, self.bus)
            except EnvironmentNotReadyError:
                if time.monotonic() >= until:
                    raise
                gevent.sleep(_CHECK_INTERVAL)  # ZeroMQ releases a port with a delay
            else:
                break
        self.query, self.bus = daemon.query, daemon.bus_endpoint

    def _wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not ready() and time.monotonic() < until:
            gevent.sleep(_CHECK_INTERVAL)

    def _close_daemon(self) -> None:
        if self._daemon is not None:
            self._had_subscriber = self._daemon.has_subscriber
            self._daemon.close()
            self._daemon = None
