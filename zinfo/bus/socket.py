"""One XPUB socket of the bus: for the clients of one set of rights, and for no others.

What a client may get is decided by the socket that its key is let in to. ZeroMQ's manual mode
(XPUB_MANUAL), which serves each subscription by itself, can give one subscriber the subscription
of another: docs/decisions/0009-a-socket-for-each-set-of-rights.md.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import gevent
import zmq

from zinfo.bus.subscriptions import Interest, ShardInterest
from zinfo.bus.topic_limits import MAX_ALL, MAX_REFUSED, Subscriptions, TopicCounts
from zinfo.errors import EnvironmentNotReadyError
from zinfo.health.stats import BusStats
from zinfo.loop.yielding import CooperativeYield
from zinfo.security.bus_endpoints import Place
from zinfo.security.rights import Rights
from zinfo.sockets.direct import DirectSocket
from zinfo.sockets.listen import (
    GreenContext,
    GreenSocket,
    bound_endpoint,
    descriptor_of,
    key_of,
    listen,
)
from zinfo.sockets.monitor import Connections
from zinfo.wire.bus_messages import FENCE_PREFIX, MAX_FENCE_TOPIC

logger = logging.getLogger(__name__)

REBIND_SECONDS = 5.0
"""For a port to be free again."""
REOPEN_SECONDS = 0.01
"""Between two looks whether it is."""
_SUBSCRIBE = 1  # first byte of an XPUB message, ZMTP 3.1 (https://rfc.zeromq.org/spec/37/)
_CUT_SECONDS = 5.0  # for ZeroMQ to let go of the topics of a connection that was ended
_NOBODY = Interest()  # for shards whose messages are not published here


class Fence(Protocol):
    """Publishes the fence that a subscriber asked for."""

    def __call__(self, socket: BusSocket, topic: bytes, refused: Sequence[bytes]) -> None:
        """Publish it on a socket, with the topics that its subscriber is refused."""
        ...


class BusSocket:
    """Publishes what one set of rights allows, and takes subscriptions.

    Args:
        context: green context to make the socket in.
        place: the set of rights, and where to listen.
        stats: takes the counters.
        high_water_mark: messages held for a slow subscriber.
        secret_key: of the daemon, in Z85; None serves all who connect.
        domain: by which the ZAP handler knows this socket; not empty where there is a key.
        name_of: returns the name of the client with a key, for counts and logs.
        locked_out: called with the key of a client that subscribed more than it may.
        fence: publishes a fence.
        listened: called when the first topic is subscribed, and when the last one is let go.

    Raises:
        EnvironmentNotReadyError: the endpoint cannot be bound.

    Attributes:
        place: as given, or as it became since.
        domain: as given.
        endpoint: where it listens, with the port it got.
        interest: what is subscribed.
        hiding: says which fields are left out; None where none is.
        send: publishes a message to those who subscribed its topic, as `DirectSocket.send` does.
    """

    def __init__(  # noqa: PLR0913 - what it connects
        self,
        context: GreenContext,
        place: Place,
        *,
        stats: BusStats,
        high_water_mark: int,
        secret_key: bytes | None,
        domain: bytes,
        fence: Fence,
        listened: Callable[[], object],
        name_of: Callable[[str | None], str] = lambda _key: "",
        locked_out: Callable[[str], object] = str,
    ) -> None:
        self.place = place
        self.domain = domain
        # Twice what there may be: others may still subscribe while the largest connection ends.
        self.interest = Interest(2 * MAX_ALL)
        self._rights = Rights.of_bus(place.rights)
        self.hiding = self._rights if place.rights.hidden_fields else None
        self._context = context
        self._stats = stats
        self._high_water_mark = high_water_mark
        self._secret_key = secret_key
        self._name_of = name_of
        self._locked_out = locked_out
        self._fence = fence
        self._listened = listened
        self._counts = TopicCounts()
        self._shards: dict[str, ShardInterest] = {}
        self._retired = False
        self._cutting: set[int] = set()  # descriptors of connections that are being ended
        self._cut_again_at = 0.0  # by the monotonic clock
        self._counted = 0  # connections that are in the statistics
        self._listen(place.endpoint)
        self.endpoint = bound_endpoint(self._socket)

    def _listen(self, endpoint: str) -> None:
        what = "bus" if not self.place.clients else f"bus of {', '.join(self.place.clients)}"
        self._socket = listen(
            self._context,
            zmq.XPUB,
            endpoint,
            what,
            self._high_water_mark,
            self._secret_key,
            watch=self._watch,
            domain=self.domain,
        )
        self._direct = DirectSocket(self._socket)
        self.send = self._direct.send

    def _watch(self, socket: GreenSocket) -> None:
        self._connections = Connections(socket, self._gone)

    def _gone(self, descriptor: int) -> None:
        self._counts.forget(descriptor)
        self._cutting.discard(descriptor)

    @property
    def closed(self) -> bool:
        """Whether it listens no more."""
        return self._direct.closed

    def close(self) -> None:
        """Let go of all subscribers; nothing is published any more."""
        if self.closed:
            return
        self._direct.close()
        self._connections.close()
        self._counts.clear()
        self._cutting.clear()
        self._stats.topics -= len(self.interest)
        self.interest.clear()
        self._listened()

    def retire(self) -> None:
        """Close for good."""
        self._retired = True
        self.close()

    def open(self) -> None:
        """Listen again where it did; waits until ZeroMQ's thread has let go of the port.

        Raises:
            EnvironmentNotReadyError: the endpoint could not be bound again.
        """
        until = time.monotonic() + REBIND_SECONDS
        while True:
            try:
                self._listen(self.endpoint)
            except EnvironmentNotReadyError:
                if time.monotonic() > until:
                    raise
                gevent.sleep(REOPEN_SECONDS)
            else:
                return

    # --- out

    def wanted(self, shard_id: str) -> ShardInterest:
        """Return whether INFO and deltas of a shard are to be published here."""
        wanted = self._shards.get(shard_id)
        if wanted is None:
            published = self.place.rights.infos and self._rights.can_see(shard_id)
            wanted = ShardInterest(self.interest if published else _NOBODY, shard_id)
            self._shards[shard_id] = wanted
        wanted.refresh()
        return wanted

    def forget(self, shard_id: str) -> None:
        """Forget a shard that has gone."""
        self._shards.pop(shard_id, None)

    def rights_on_event(self, shard_id: str, topic: bytes) -> Rights | None:
        """Return with which rights an event is told here; None where it is not to be published."""
        told = self.place.rights.events and self._rights.can_see(shard_id)
        return self._rights if told and self.interest.wants(topic) else None

    # --- in

    def read(self) -> None:
        """Read subscriptions until this is closed for good; to be run in a greenlet."""
        yielder = CooperativeYield()
        while not self._retired:
            yielder.maybe_yield()  # while subscriptions wait already, reading them never yields
            direct = self._direct
            try:
                frames = direct.receive(copy=False)
            except zmq.ZMQError:
                if direct is self._direct and not direct.closed:
                    raise
                gevent.sleep(REOPEN_SECONDS)  # it is being opened again
                continue
            try:
                self._take(frames)
            except Exception:  # one message must never end the loop
                self._stats.refused += 1
                logger.exception("a subscription failed in an unexpected way")

    def follow_connections(self) -> None:
        """Keep count of the connections until this is closed for good; to be run in a greenlet."""
        while not self._retired:
            connections = self._connections
            connections.follow(self._count)
            while connections is self._connections and not self._retired:
                gevent.sleep(REOPEN_SECONDS)  # it is being opened again, or closed

    def _count(self) -> None:
        now = len(self._connections)
        self._stats.subscribers += now - self._counted
        self._counted = now

    def _take(self, frames: list[zmq.Frame]) -> None:
        # A subscriber can send messages of its own, too: they have more frames or another first
        # byte.
        message = frames[0].bytes
        if len(frames) != 1 or not message or message[0] > _SUBSCRIBE:
            self._refuse(frames[0])
            return
        before = len(self.interest)
        if message[0] == _SUBSCRIBE:
            self._subscribe(message[1:], frames[0])
        else:
            self._unsubscribe(message[1:], frames[0])
        now = len(self.interest)
        self._stats.topics += now - before
        if not before or not now:
            self._listened()

    def _subscribe(self, prefix: bytes, frame: zmq.Frame) -> None:
        connection, descriptor = self._connection(frame)
        if descriptor in self._cutting:
            self._refuse(frame)
            return
        if connection is not None and not self._counts.add(connection, prefix):
            self._cut(descriptor, connection)
            self._refuse(frame)
            return
        if prefix.startswith(FENCE_PREFIX):
            if len(prefix) > MAX_FENCE_TOPIC:
                self._refuse(frame)
            else:
                self._fence(self, prefix, connection.refused if connection else ())
        elif not self.place.rights.covers(prefix):
            self._refuse(frame)
            if connection is not None and len(connection.refused) < MAX_REFUSED:
                connection.refused.append(prefix)
        elif not self.interest.add(prefix):
            self._refuse(frame)
        elif len(self.interest) > MAX_ALL and time.monotonic() >= self._cut_again_at:
            largest = self._counts.largest()
            if largest is not None:
                self._cut_again_at = time.monotonic() + _CUT_SECONDS
                self._cut(largest, self._counts.of(largest, None))

    def _unsubscribe(self, prefix: bytes, frame: zmq.Frame) -> None:
        connection, _ = self._connection(frame)
        if connection is not None:
            self._counts.discard(connection, prefix)
            if prefix in connection.refused:
                connection.refused.remove(prefix)
        self.interest.discard(prefix)

    def _connection(self, frame: zmq.Frame) -> tuple[Subscriptions | None, int]:
        """Return the connection that a frame came over; None where it has gone already."""
        descriptor = descriptor_of(frame)
        if descriptor is None:
            return None, -1
        self._connections.drain()
        if descriptor not in self._connections or descriptor in self._cutting:
            return None, descriptor
        key = key_of(frame) if self._secret_key is not None else None
        return self._counts.of(descriptor, key), descriptor

    def _refuse(self, frame: zmq.Frame) -> None:
        self._stats.refused += 1
        if self._secret_key is not None:
            self._stats.refused_by[self._name_of(key_of(frame))] += 1

    def _cut(self, descriptor: int, connection: Subscriptions) -> None:
        if not self._connections.cut(descriptor):
            return
        self._counts.forget(descriptor)
        self._cutting.add(descriptor)
        self._stats.cut += 1
        key = connection.client if isinstance(connection.client, str) else None
        who = f"client {self._name_of(key)}" if key else "a client"
        logger.warning(
            "bus: %s subscribed %d topics over one connection, which is ended",
            who,
            len(connection.topics),
        )
        if key is not None:
            self._locked_out(key)
