"""InfoBus: owns the XPUB socket. Snapshots, deltas, events, heartbeats out; subscriptions in.

What nobody subscribed is not parsed, not encoded and not sent. Every send is NOBLOCK and all frames
of a message go out in one call, so any greenlet and any callback of the event loop may publish.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent
import zmq

from zinfo.breath import Breath
from zinfo.direct_socket import DirectSocket
from zinfo.endpoints import GreenContext, GreenSocket, bound_endpoint, key_of, listen
from zinfo.errors import EnvironmentNotReadyError
from zinfo.events import LifecycleEvent
from zinfo.identity import Identity
from zinfo.interest import Interest, ShardInterest
from zinfo.polling import Polling
from zinfo.protocol import (
    FENCE_PREFIX,
    KIND_DELTA,
    KIND_EVENT,
    KIND_FENCE,
    KIND_HEARTBEAT,
    KIND_INFO,
    MAX_FENCE_TOPIC,
    VERSION,
    array_header,
    map_header,
    pack,
    pack_fields,
    topic,
)
from zinfo.security.access import Access
from zinfo.security.guard import Guard
from zinfo.shard import RedisShard
from zinfo.shard_publisher import ShardEvent, ShardPublisher
from zinfo.snapshot import Snapshot
from zinfo.stats import Stats
from zinfo.subscribers import counts

logger = logging.getLogger(__name__)

_SET, _UNSET, _BASE = map_header(3) + pack("set"), pack("unset"), pack("base")  # of a delta
_REBIND_SECONDS = 5.0  # for the port to be free again
_REOPEN_SECONDS = 0.01  # between two looks whether it is
_SUBSCRIBE = 1  # first byte of an XPUB message, ZMTP 3.1 (https://rfc.zeromq.org/spec/37/)


class InfoBus:
    """Publishes on an XPUB socket, which to a SUB socket is a PUB.

    Args:
        context: green context to make the socket in.
        endpoint: where to bind.
        publisher: the live shards.
        poller: gives the snapshots and events.
        stats: takes the counters.
        identity: of the daemon.
        high_water_mark: messages held for a slow subscriber; what comes beyond is dropped for it,
            and it sees the gap by the sequence.
        heartbeat: seconds between two heartbeats.
        advertise: endpoint that clients are told instead of the bound one; empty for none.
        access: the clients that are let in; None serves all.
        clock: returns the wall clock that heartbeats and fences tell.

    Raises:
        EnvironmentNotReadyError: the endpoint cannot be bound.
    """

    def __init__(  # noqa: PLR0913 - what it connects, and what the configuration says of it
        self,
        context: GreenContext,
        endpoint: str,
        publisher: ShardPublisher,
        poller: Polling,
        *,
        stats: Stats,
        identity: Identity,
        high_water_mark: int = 10_000,
        heartbeat: float = 1.0,
        advertise: str = "",
        access: Access | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._context = context
        self._high_water_mark = high_water_mark
        self._secret_key = access.server_keys.secret if access else None
        self._listen(endpoint)
        self.endpoint = bound_endpoint(self._socket)  #: where it listens, with the port it got
        self.heartbeat = heartbeat
        self.query_endpoint: Callable[[], str] = str  #: told in heartbeats
        self._advertise = advertise
        self._publisher = publisher
        self._poller = poller
        self._stats = stats
        self._interest = Interest()
        self._guard = Guard(access.rights_of, self._interest) if access else None
        self._shards: dict[str, ShardInterest] = {}
        # A header is [version, node, epoch, seq, time]; the first three never change.
        self._header_start = (
            array_header(5) + pack(VERSION) + pack(identity.node) + pack(identity.epoch)
        )
        self._heartbeat_topic = topic(KIND_HEARTBEAT, identity.node)
        self._beats = 0
        publisher.subscribe_shard_event(ShardEvent.REMOVED, self._forget)
        poller.subscribe_snapshots(self.publish_snapshot)
        poller.events.subscribe(self.publish_event)

    def _listen(self, endpoint: str) -> None:
        self._socket = listen(
            self._context,
            zmq.XPUB,
            endpoint,
            "bus",
            self._high_water_mark,
            self._secret_key,
            watch=self._watch,
        )
        self._direct = DirectSocket(self._socket)

    def _watch(self, socket: GreenSocket) -> None:
        self._connections = counts(socket)

    def reopen(self) -> None:
        """Let go of all subscribers; those that may, come back at once and see what they missed.

        ZeroMQ asks who somebody is when they connect, and has no way to send one peer off.

        Raises:
            EnvironmentNotReadyError: the endpoint could not be bound again.
        """
        if self._guard is not None:
            self._guard.clear()
        self._direct.close()
        until = time.monotonic() + _REBIND_SECONDS
        while True:
            try:
                self._listen(self.endpoint)  # ZeroMQ's thread lets go of the port a little later
            except EnvironmentNotReadyError:
                if time.monotonic() > until:
                    raise
                gevent.sleep(_REOPEN_SECONDS)
            else:
                return

    def close(self) -> None:
        """Close the socket; nothing is published any more."""
        self._publisher.unsub_shard_event(ShardEvent.REMOVED, self._forget)
        self._direct.close()

    def client_endpoint(self) -> str:
        """Return the endpoint that clients are told.

        Where it is that of every address, only a client knows by which one it came.
        """
        return self._advertise or self.endpoint

    # --- out ---

    def publish_snapshot(
        self, shard: RedisShard, previous: Snapshot | None, snapshot: Snapshot
    ) -> None:
        """Publish a new snapshot to those who subscribed it, whole or as a delta."""
        if not self._interest:
            return
        wanted = self._shards.get(shard.id)
        if wanted is None:
            wanted = self._shards[shard.id] = ShardInterest(self._interest, shard.id)
        wanted.refresh()
        if wanted.wants_delta:
            fields, gone = snapshot.delta_from(previous)
            base = previous.revision if previous else 0
            body = b"".join(
                (
                    _SET,
                    map_header(fields.number),
                    fields.pairs,
                    _UNSET,
                    pack(gone),
                    _BASE,
                    pack(base),
                )
            )
            self._send(KIND_DELTA, wanted.delta_topic, snapshot.revision, snapshot.time, body)
        if wanted.wants_info:
            pairs, encoded = snapshot.encoded()
            body = map_header(pairs) + encoded
            self._send(KIND_INFO, wanted.info_topic, snapshot.revision, snapshot.time, body)

    def publish_event(self, event: LifecycleEvent) -> None:
        """Publish a lifecycle event."""
        full_topic = topic(KIND_EVENT, event.shard)
        if self._interest.wants(full_topic):
            self._send(KIND_EVENT, full_topic, event.seq, event.time, pack(event.as_map()))

    def beat(self) -> None:
        """Publish one heartbeat."""
        self._beats += 1
        self._send(
            KIND_HEARTBEAT, self._heartbeat_topic, self._beats, self._clock(), pack(self._totals())
        )

    def _totals(self) -> dict[str, object]:
        return {
            "interval": self.heartbeat,
            "shards": len(self._publisher),
            "events": self._poller.events.newest,
            "revisions": self._poller.revisions,
            "query": self.query_endpoint(),
            "bus": self.client_endpoint(),
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

    def _send(self, kind: str, full_topic: bytes, seq: int, when: float, body: bytes) -> None:
        if self._direct.closed:
            return
        header = self._header_start + pack_fields((seq, when))[1:]  # without the array's header
        try:
            self._direct.send((full_topic, header, body))
        except zmq.ZMQError as error:
            # An XPUB drops for a slow peer without an error, so this is something worse.
            self._stats.bus.errors += 1
            logger.error("the bus could not send %s: %s", full_topic.decode(), error)
            return
        self._stats.bus.messages[kind] += 1
        self._stats.bus.bytes += len(body)

    # --- in ---

    def run_subscriptions(self) -> None:
        """Read subscriptions for ever; to be run in a greenlet."""
        breath = Breath()
        while True:
            breath.take()  # while subscriptions wait already, reading them never yields
            socket = self._direct
            try:
                frames = socket.receive(copy=False)
            except zmq.ZMQError:
                if socket is self._direct and not socket.closed:
                    raise
                gevent.sleep(_REOPEN_SECONDS)  # it is being opened anew
                continue
            try:
                self._take(frames)
            except Exception:  # one message must never end the loop
                self._stats.bus.refused += 1
                logger.exception("a subscription failed in an unexpected way")

    def count_subscribers(self) -> None:
        """Keep count of the connections for ever; to be run in a greenlet."""
        while True:
            connections = self._connections
            for count in connections:
                self._stats.bus.subscribers = count
            self._stats.bus.subscribers = 0
            if connections is self._connections:  # not that of a socket that was opened since
                self._connections = counts(self._socket)
            gevent.sleep(_REOPEN_SECONDS)  # it is being opened anew

    def _take(self, frames: list[zmq.Frame]) -> None:
        # A subscriber can send messages of its own, too: they have more frames or another first
        # byte.
        message = frames[0].bytes
        if len(frames) != 1 or not message or message[0] > _SUBSCRIBE:
            self._stats.bus.refused += 1
            return
        prefix = message[1:]
        if message[0] != _SUBSCRIBE:
            self._unsubscribe(prefix)
        elif not self._subscribe(prefix, frames[0]):
            self._stats.bus.refused += 1
        self._stats.bus.topics = len(self._interest)

    def _subscribe(self, prefix: bytes, frame: zmq.Frame) -> bool:
        is_fence = prefix.startswith(FENCE_PREFIX)
        if is_fence and len(prefix) > MAX_FENCE_TOPIC:
            return False
        if self._guard is not None:
            taken = self._guard.subscribed(self._socket, key_of(frame), prefix)
        else:
            taken = is_fence or self._interest.add(prefix)
        if is_fence and taken:
            self._send(KIND_FENCE, prefix, 0, self._clock(), pack(self._totals()))
        return taken

    def _unsubscribe(self, prefix: bytes) -> None:
        if self._guard is not None:
            self._guard.unsubscribed(prefix)
        else:
            self._interest.discard(prefix)

    def _forget(self, shard: RedisShard) -> None:
        self._shards.pop(shard.id, None)
