"""InfoBus: snapshots, deltas, events and heartbeats out, on a socket for each set of rights.

What nobody subscribed is not parsed, not encoded and not sent. Every send is NOBLOCK and all frames
of a message go out in one call, so any greenlet and any callback of the event loop may publish.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Protocol

import gevent
import gevent.event
import gevent.pool
import zmq

from zinfo.bus.bodies import HiddenBodies
from zinfo.bus.socket import REBIND_SECONDS, REOPEN_SECONDS, BusSocket
from zinfo.bus.subscriptions import ShardInterest
from zinfo.errors import EnvironmentNotReadyError
from zinfo.health.stats import Stats
from zinfo.info.encoder import encode_delta, encode_event, encode_snapshot
from zinfo.security.bus_endpoints import Place, advertised
from zinfo.security.bus_rights import UNLIMITED, BusRights
from zinfo.shards.registry import ShardEvent, ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.shards.source import SnapshotSource
from zinfo.sockets.listen import GreenContext
from zinfo.wire.bus_messages import (
    KIND_DELTA,
    KIND_EVENT,
    KIND_FENCE,
    KIND_HEARTBEAT,
    KIND_INFO,
    pack_header,
    topic,
)
from zinfo.wire.codec import pack
from zinfo.wire.identity import Identity
from zinfo.wire.lifecycle import Event

logger = logging.getLogger(__name__)


class Gatekeeper(Protocol):
    """Knows the clients' keys, and which of them a socket lets in."""

    @property
    def secret_key(self) -> bytes:
        """The daemon's secret key, in Z85."""
        ...

    def guard(self, domain: bytes, rights: BusRights) -> None:
        """Let keys of these rights in to the sockets of a ZAP domain."""
        ...

    def unguard(self, domain: bytes) -> None:
        """Let nobody in to the sockets of a ZAP domain any more."""
        ...

    def name_of(self, key: str | None) -> str:
        """Return the name of the client with a key."""
        ...

    def lock_out(self, key: str) -> None:
        """Let a key in to no socket of the bus for a while."""
        ...


class InfoBus:
    """Publishes on XPUB sockets, each of which to a SUB socket is a PUB.

    Args:
        context: green context to make the sockets in.
        endpoint: where to bind the socket of the clients without limits.
        publisher: the live shards.
        poller: gives the snapshots and events.
        stats: takes the counters.
        identity: of the daemon.
        high_water_mark: messages held for a slow subscriber; what comes beyond is dropped for it,
            and it sees the gap by the sequence.
        heartbeat: seconds between two heartbeats.
        advertise: endpoint that clients are told instead of the bound one; empty for none.
        gatekeeper: of the clients that are let in; None serves all.
        places: of the other sets of rights.
        clock: returns the wall clock that heartbeats and fences tell.

    Raises:
        EnvironmentNotReadyError: an endpoint cannot be bound.
    """

    def __init__(  # noqa: PLR0913 - what it connects, and what the configuration says of it
        self,
        context: GreenContext,
        endpoint: str,
        publisher: ShardPublisher,
        poller: SnapshotSource,
        *,
        stats: Stats,
        identity: Identity,
        high_water_mark: int = 10_000,
        heartbeat: float = 1.0,
        advertise: str = "",
        gatekeeper: Gatekeeper | None = None,
        places: Sequence[Place] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._context = context
        self._high_water_mark = high_water_mark
        self._gatekeeper = gatekeeper
        self.heartbeat = heartbeat
        self.query_endpoint: Callable[[], str] = str  #: told in heartbeats
        self._advertise = advertise
        self._publisher = publisher
        self._poller = poller
        self._stats = stats
        self._domains = itertools.count(1)
        self._node, self._epoch = identity.node, identity.epoch
        self._heartbeat_topic = topic(KIND_HEARTBEAT, identity.node)
        self._beats = 0
        self._readers = gevent.pool.Group()
        self._failed: gevent.event.AsyncResult[None] | None = None
        self._sockets: dict[BusRights, BusSocket] = {}
        self._listened: tuple[BusSocket, ...] = ()  # those where something is subscribed
        try:
            self._sockets[UNLIMITED] = self._make(Place(UNLIMITED, (), endpoint))
            for place in places:
                self._sockets[place.rights] = self._make_named(place)
        except EnvironmentNotReadyError:
            for socket in self._sockets.values():
                socket.retire()
            raise
        self._main = self._sockets[UNLIMITED]
        self.endpoint = self._main.endpoint  #: where it listens, with the port it got
        self._count_sockets()
        publisher.subscribe_shard_event(ShardEvent.REMOVED, self._forget)
        poller.subscribe_snapshots(self.publish_snapshot)
        poller.events.subscribe(self.publish_event)

    def _make(self, place: Place) -> BusSocket:
        keeper = self._gatekeeper
        domain = b"" if keeper is None else b"zinfo-bus-%d" % next(self._domains)
        if keeper is not None:
            keeper.guard(domain, place.rights)
        try:
            return BusSocket(
                self._context,
                place,
                stats=self._stats.bus,
                high_water_mark=self._high_water_mark,
                secret_key=None if keeper is None else keeper.secret_key,
                domain=domain,
                fence=self._publish_fence,
                listened=self._find_listened,
                name_of=(lambda _key: "") if keeper is None else keeper.name_of,
                locked_out=str if keeper is None else keeper.lock_out,
            )
        except EnvironmentNotReadyError:
            if keeper is not None:
                keeper.unguard(domain)
            raise

    def _make_named(self, place: Place) -> BusSocket:
        try:
            return self._make(place)
        except EnvironmentNotReadyError as error:
            raise EnvironmentNotReadyError(_problem(place, error)) from error

    def close(self) -> None:
        """Close the sockets; nothing is published any more."""
        self._publisher.unsub_shard_event(ShardEvent.REMOVED, self._forget)
        for socket in self._sockets.values():
            socket.retire()

    def client_endpoint(self, rights: BusRights | None = UNLIMITED) -> str | None:
        """Return the endpoint that clients of some rights are told; None where they have none.

        Where it is that of every address, only a client knows by which one it came.
        """
        socket = None if rights is None else self._sockets.get(rights)
        return None if socket is None else self._told_endpoint(socket)

    def _told_endpoint(self, socket: BusSocket) -> str:
        if socket is self._main:
            return self._advertise or self.endpoint
        return advertised(self._advertise, socket.endpoint)

    # --- sets of rights ---

    @property
    def places(self) -> list[Place]:
        """The places of the limited sets that have a socket now."""
        return [socket.place for socket in self._sockets.values() if socket is not self._main]

    def arrange(self, places: Sequence[Place], disturbed: Collection[BusRights]) -> list[str]:
        """Have a socket for each place, and no others.

        Args:
            places: of the limited sets of rights.
            disturbed: sets whose sockets have connections of clients that have lost these rights.
                ZeroMQ asks who a client is when it connects, and never again: so these sockets let
                go of all. Those that may, come back at once and see what they missed.

        Returns:
            What is wrong, a line for each set that could not be given its socket.
        """
        wanted = {place.rights: place for place in places}
        for rights, socket in list(self._sockets.items()):
            if socket is self._main:
                continue
            place = wanted.get(rights)
            if place is None or place.endpoint != socket.place.endpoint:
                self._remove(rights)
            else:
                socket.place = place
        reopened = [one for rights, one in self._sockets.items() if rights in disturbed]
        for socket in reopened:
            socket.close()
        problems = [problem for one in reopened for problem in self._reopen(one)]
        for rights, place in wanted.items():
            if rights not in self._sockets:
                problems += self._add(place)
        self._count_sockets()
        return problems

    def _reopen(self, socket: BusSocket) -> Iterator[str]:
        try:
            socket.open()
        except EnvironmentNotReadyError as error:
            if socket is self._main:
                raise
            self._remove(socket.place.rights)
            yield _problem(socket.place, error)

    def _add(self, place: Place) -> Iterator[str]:
        """Open a socket; another one may have had its port until now."""
        until = time.monotonic() + REBIND_SECONDS
        while True:
            try:
                socket = self._make_named(place)
            except EnvironmentNotReadyError as error:
                if time.monotonic() > until:
                    yield str(error)
                    return
                gevent.sleep(REOPEN_SECONDS)
            else:
                self._sockets[place.rights] = socket
                self._start(socket)
                return

    def _remove(self, rights: BusRights) -> None:
        socket = self._sockets.pop(rights)
        socket.retire()
        if self._gatekeeper is not None:
            self._gatekeeper.unguard(socket.domain)

    def _find_listened(self) -> None:
        self._listened = tuple(one for one in self._sockets.values() if one.interest)

    def _count_sockets(self) -> None:
        self._stats.bus.sockets = len(self._sockets)

    # --- out ---

    def publish_snapshot(
        self, shard: RedisShard, previous: Snapshot | None, snapshot: Snapshot
    ) -> None:
        """Publish a new snapshot to those who subscribed it, whole or as a delta."""
        delta: bytes | None = None
        info: bytes | None = None
        hidden: HiddenBodies | None = None
        for socket in self._listened:
            wanted = socket.wanted(shard.id)
            if socket.hiding is not None:
                hidden = hidden or HiddenBodies(previous, snapshot)
                self._publish_hidden(socket, wanted, snapshot, hidden)
                continue
            if wanted.wants_delta:
                if delta is None:
                    fields, gone = snapshot.delta_from(previous)
                    delta = encode_delta(fields, gone, previous.revision if previous else 0)
                self._send(
                    socket, KIND_DELTA, wanted.delta_topic, snapshot.revision, snapshot.time, delta
                )
            if wanted.wants_info:
                info = info or encode_snapshot(snapshot.encoded())
                self._send(
                    socket, KIND_INFO, wanted.info_topic, snapshot.revision, snapshot.time, info
                )

    def _publish_hidden(
        self, socket: BusSocket, wanted: ShardInterest, snapshot: Snapshot, bodies: HiddenBodies
    ) -> None:
        """Publish a new snapshot to those that are not told all fields."""
        assert socket.hiding is not None
        seq, when = snapshot.revision, snapshot.time
        if wanted.wants_delta:
            body = bodies.delta(socket.hiding)
            self._send(socket, KIND_DELTA, wanted.delta_topic, seq, when, body)
        if wanted.wants_info:
            body = bodies.info(socket.hiding)
            self._send(socket, KIND_INFO, wanted.info_topic, seq, when, body)

    def publish_event(self, event: Event) -> None:
        """Publish a lifecycle event."""
        full_topic = topic(KIND_EVENT, event.shard)
        for socket in self._sockets.values():
            rights = socket.rights_on_event(event.shard, full_topic)
            if rights is not None:
                body = encode_event(rights.visible_event(event))
                self._send(socket, KIND_EVENT, full_topic, event.seq, event.time, body)

    def beat(self) -> None:
        """Publish one heartbeat on each socket."""
        self._beats += 1
        for socket in self._sockets.values():
            if socket.closed:
                continue
            body = pack(self._totals(socket))
            self._send(
                socket, KIND_HEARTBEAT, self._heartbeat_topic, self._beats, self._clock(), body
            )

    def _publish_fence(self, socket: BusSocket, topic: bytes, refused: Sequence[bytes]) -> None:
        totals = self._totals(socket)
        if refused:
            totals["refused"] = [one.decode("utf-8", "backslashreplace") for one in refused]
        self._send(socket, KIND_FENCE, topic, 0, self._clock(), pack(totals))

    def _totals(self, socket: BusSocket) -> dict[str, object]:
        return {
            "interval": self.heartbeat,
            "shards": len(self._publisher),
            "events": self._poller.events.newest,
            "revisions": self._poller.revisions,
            "query": self.query_endpoint(),
            "bus": self._told_endpoint(socket),
            "lag": self._stats.hub_lag,
        }

    def run_heartbeat(self) -> None:
        """Beat for ever; to be run in a greenlet. Measures the event loop's lag on the way."""
        due = time.monotonic() + self.heartbeat
        while True:
            gevent.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            lag = max(0.0, now - due)
            self._stats.hub_lag = lag
            self._stats.hub_lag_max = max(self._stats.hub_lag_max, lag)
            self.beat()
            # From when it was due, so that what held the loop up during the beat counts, too.
            due = (due if lag < self.heartbeat else now) + self.heartbeat

    def _send(
        self, socket: BusSocket, kind: str, full_topic: bytes, seq: int, when: float, body: bytes
    ) -> None:
        header = pack_header(self._node, self._epoch, seq, when)
        try:
            socket.send((full_topic, header, body))
        except zmq.ZMQError as error:
            # An XPUB drops for a slow peer without an error, so this is something worse.
            self._stats.bus.errors += 1
            logger.error("the bus could not send %s: %s", full_topic.decode(), error)
            return
        self._stats.bus.messages[kind] += 1
        self._stats.bus.bytes += len(body)

    # --- in ---

    def run_subscriptions(self) -> None:
        """Read subscriptions of all sockets for ever; to be run in a greenlet."""
        self._failed = gevent.event.AsyncResult()
        try:
            for socket in self._sockets.values():
                self._start(socket)
            self._failed.get()
        finally:
            self._failed = None
            self._readers.kill()

    def _start(self, socket: BusSocket) -> None:
        """Read a socket, where sockets are being read; whatever goes wrong ends that for all."""
        if self._failed is None:
            return
        for run in (socket.read, socket.follow_connections):
            greenlet = self._readers.spawn(run)
            greenlet.link_exception(partial(_tell_failure, self._failed))

    def _forget(self, shard: RedisShard) -> None:
        for socket in self._sockets.values():
            socket.forget(shard.id)


def _tell_failure(
    failed: gevent.event.AsyncResult[None], greenlet: gevent.Greenlet[..., object]
) -> None:
    assert greenlet.exception is not None
    failed.set_exception(greenlet.exception)


def _problem(place: Place, error: Exception) -> str:
    return f"{place.key}: {error}: set it to a free address"
