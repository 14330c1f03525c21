"""One XPUB socket of the bus, for the clients of one set of rights.

The socket that admits a client's key determines what the client can receive. Manual mode
(XPUB_MANUAL), which lets a server decide on each subscription, can give one subscriber the
subscription of another: docs/explanation/decisions/0009-a-socket-for-each-set-of-rights.md.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import gevent
import zmq

from zinfo.bus.batches import SocketBatches
from zinfo.bus.field_sets import WHOLE, FieldSets
from zinfo.bus.subscriptions import ShardSubscriptions, SubscriptionSet
from zinfo.bus.topic_limits import (
    MAX_REFUSED_LISTED,
    MAX_SOCKET_TOPICS,
    ConnectionTopics,
    TopicUsage,
)
from zinfo.errors import EnvironmentNotReadyError
from zinfo.health.stats import BusStats
from zinfo.loop.yielding import CooperativeYield
from zinfo.security.bus_endpoints import BusEndpoint
from zinfo.security.rights import Rights
from zinfo.sockets.direct import DirectSocket
from zinfo.sockets.listen import (
    GreenContext,
    GreenSocket,
    bound_endpoint,
    connection_descriptor,
    listen,
    peer_public_key,
)
from zinfo.sockets.monitor import ConnectionMonitor
from zinfo.wire.bus_messages import FENCE_PREFIX, MAX_FENCE_TOPIC

logger = logging.getLogger(__name__)

REBIND_TIMEOUT = 5.0
"""Seconds until an address that was just closed must be free again."""
REBIND_INTERVAL = 0.01
"""Seconds between two attempts to bind it."""
_SUBSCRIBE = 1  # first byte of an XPUB message, ZMTP 3.1 (https://rfc.zeromq.org/spec/37/)
_DISCONNECT_INTERVAL = 5.0  # seconds that libzmq gets to drop the topics of a closed connection


class PublishFence(Protocol):
    """Publishes the fence that a subscriber requested."""

    def __call__(self, socket: BusSocket, topic: bytes, refused: Sequence[bytes]) -> None:
        """Publish a fence on a socket; `refused` are topics that its subscriber may not have."""
        ...


class BusSocket:
    """Publishes what one set of rights allows, and reads subscriptions.

    Args:
        context: green context of the socket.
        endpoint: the set of rights, and the address to bind.
        field_sets: the selections of fields of all sockets with the same hidden fields.
        stats: the bus counters to update.
        high_water_mark: messages queued for a slow subscriber.
        secret_key: the daemon's secret key, in Z85; None admits every client.
        domain: ZAP domain of this socket; not empty if there is a key.
        client_name: returns the name of the client with a public key, for counters and logs.
        ban: called with the public key of a client that exceeded its limit of subscriptions.
        publish_fence: publishes a fence.
        on_subscribed_change: called when the first topic is subscribed and when the last one is
            unsubscribed.

    Raises:
        EnvironmentNotReadyError: the address cannot be bound.

    Attributes:
        endpoint: the set of rights and its clients; replaced when the clients change.
        domain: ZAP domain of this socket.
        address: the bound address, with the actual port.
        subscriptions: the topics that are subscribed.
        batches: the batches that are subscribed.
        field_sets: as given.
        hides: returns whether a field is hidden; None if none is.
        send: publishes a message, as `DirectSocket.send` does.
    """

    def __init__(  # noqa: PLR0913 - what it connects
        self,
        context: GreenContext,
        endpoint: BusEndpoint,
        *,
        field_sets: FieldSets,
        stats: BusStats,
        high_water_mark: int,
        secret_key: bytes | None,
        domain: bytes,
        publish_fence: PublishFence,
        on_subscribed_change: Callable[[], object],
        client_name: Callable[[str | None], str] = lambda _key: "",
        ban: Callable[[str], object] = str,
    ) -> None:
        self.endpoint = endpoint
        self.domain = domain
        # Twice the limit: clients may go on subscribing while the largest connection is closed.
        self.subscriptions = SubscriptionSet(2 * MAX_SOCKET_TOPICS)
        self.field_sets = field_sets
        self.batches = SocketBatches(field_sets)
        self._rights = Rights.of_bus(endpoint.rights)
        self.hides = self._rights.hides if endpoint.rights.hidden_fields else None
        self._context = context
        self._stats = stats
        self._high_water_mark = high_water_mark
        self._secret_key = secret_key
        self._client_name = client_name
        self._ban = ban
        self._publish_fence = publish_fence
        self._on_subscribed_change = on_subscribed_change
        self._usage = TopicUsage()
        self._shards: dict[str, ShardSubscriptions] = {}
        self._is_finished = False
        self._disconnecting: set[int] = set()  # descriptors of connections that are being closed
        self._next_disconnect = 0.0  # by the monotonic clock
        self._connection_count = 0  # as included in the statistics
        self._bind(endpoint.address)
        self.address = bound_endpoint(self._socket)

    def _bind(self, address: str) -> None:
        clients = self.endpoint.clients
        self._socket = listen(
            self._context,
            zmq.XPUB,
            address,
            f"bus of {', '.join(clients)}" if clients else "bus",
            self._high_water_mark,
            self._secret_key,
            before_bind=self._monitor,
            domain=self.domain,
        )
        self._direct = DirectSocket(self._socket)
        self.send = self._direct.send

    def _monitor(self, socket: GreenSocket) -> None:
        self._connections = ConnectionMonitor(socket, self._on_disconnect)

    def _on_disconnect(self, descriptor: int) -> None:
        self._usage.forget(descriptor)
        self._disconnecting.discard(descriptor)

    @property
    def closed(self) -> bool:
        """Whether no address is bound now."""
        return self._direct.closed

    def unbind(self) -> None:
        """Close all connections and the address, until `rebind`."""
        if self.closed:
            return
        self._direct.close()
        self._connections.close()
        self._usage.clear()
        self._disconnecting.clear()
        self._stats.topics -= len(self.subscriptions)
        self.subscriptions.clear()
        self.batches.clear()
        self._on_subscribed_change()

    def close(self) -> None:
        """Close the socket permanently; `read` and `count_connections` return."""
        self._is_finished = True
        self.unbind()

    def rebind(self) -> None:
        """Bind the same address again; waits until libzmq's I/O thread has released it.

        Raises:
            EnvironmentNotReadyError: the address was not free within `REBIND_TIMEOUT`.
        """
        deadline = time.monotonic() + REBIND_TIMEOUT
        while True:
            try:
                self._bind(self.address)
            except EnvironmentNotReadyError:
                if time.monotonic() > deadline:
                    raise
                gevent.sleep(REBIND_INTERVAL)
            else:
                return

    # --- publishing

    def subscriptions_to(self, shard_id: str) -> ShardSubscriptions:
        """Return which messages of a shard are subscribed on this socket."""
        found = self._shards.get(shard_id)
        if found is None:
            allowed = self.endpoint.rights.infos and self._rights.can_see(shard_id)
            found = ShardSubscriptions(self.subscriptions, shard_id, is_allowed=allowed)
            self._shards[shard_id] = found
        if found.generation != self.subscriptions.generation:
            found.refresh()
        return found

    def wanted_deltas(self, subscriptions: ShardSubscriptions) -> int:
        """Return a bit for each selection of fields whose deltas of a shard are published."""
        wanted = 1 << WHOLE if subscriptions.delta_subscribed else 0
        return wanted | self.batches.selections if subscriptions.is_allowed else 0

    def forget(self, shard_id: str) -> None:
        """Drop what is cached about a removed shard."""
        self._shards.pop(shard_id, None)

    def rights_for_event(self, shard_id: str, topic: bytes) -> Rights | None:
        """Return the rights to encode an event with; None if it is not published here."""
        allowed = self.endpoint.rights.events and self._rights.can_see(shard_id)
        return self._rights if allowed and self.subscriptions.matches(topic) else None

    # --- reading subscriptions

    def read(self) -> None:
        """Read subscriptions until `close`; runs in a greenlet of its own."""
        yielder = CooperativeYield()
        while not self._is_finished:
            yielder.maybe_yield()  # receiving messages that are queued already never yields
            direct = self._direct
            try:
                frames = direct.receive(copy=False)
            except zmq.ZMQError:
                if direct is self._direct and not direct.closed:
                    raise
                gevent.sleep(REBIND_INTERVAL)  # until it is bound again
                continue
            try:
                self._handle(frames)
            except Exception:  # one message must not stop the greenlet
                self._stats.refused += 1
                logger.exception("bus: unexpected error while handling a subscription")

    def count_connections(self) -> None:
        """Update the number of subscribers until `close`; runs in a greenlet of its own."""
        while not self._is_finished:
            connections = self._connections
            connections.run(self._update_count)
            while connections is self._connections and not self._is_finished:
                gevent.sleep(REBIND_INTERVAL)  # until it is bound again or closed

    def _update_count(self) -> None:
        count = len(self._connections)
        self._stats.subscribers += count - self._connection_count
        self._connection_count = count

    def _handle(self, frames: list[zmq.Frame]) -> None:
        # Subscribers can also send messages of their own, which have more frames or another first
        # byte.
        message = frames[0].bytes
        if len(frames) != 1 or not message or message[0] > _SUBSCRIBE:
            self._count_refused(frames[0])
            return
        before = len(self.subscriptions)
        if message[0] == _SUBSCRIBE:
            self._subscribe(message[1:], frames[0])
        else:
            self._unsubscribe(message[1:], frames[0])
        after = len(self.subscriptions)
        self._stats.topics += after - before
        if not before or not after:
            self._on_subscribed_change()

    def _subscribe(self, prefix: bytes, frame: zmq.Frame) -> None:
        connection, descriptor = self._find_connection(frame)
        if descriptor in self._disconnecting:
            self._count_refused(frame)
            return
        if connection is not None and not self._usage.add(connection, prefix):
            self._disconnect(descriptor, connection)
            self._count_refused(frame)
            return
        if prefix.startswith(FENCE_PREFIX):
            if len(prefix) > MAX_FENCE_TOPIC:
                self._count_refused(frame)
            else:
                self._publish_fence(self, prefix, connection.refused if connection else ())
        elif not self.endpoint.rights.covers(prefix) or not self.batches.subscribe(prefix):
            self._count_refused(frame)
            if connection is not None and len(connection.refused) < MAX_REFUSED_LISTED:
                connection.refused.append(prefix)
        elif not self.subscriptions.add(prefix):
            self._count_refused(frame)
        elif len(self.subscriptions) > MAX_SOCKET_TOPICS:
            self._disconnect_largest()

    def _unsubscribe(self, prefix: bytes, frame: zmq.Frame) -> None:
        connection, _ = self._find_connection(frame)
        if connection is not None:
            self._usage.discard(connection, prefix)
            if prefix in connection.refused:
                connection.refused.remove(prefix)
        self.subscriptions.discard(prefix)
        self.batches.unsubscribe(prefix)

    def _find_connection(self, frame: zmq.Frame) -> tuple[ConnectionTopics | None, int]:
        """Return a frame's connection, None if it is closed or being closed, and its descriptor."""
        descriptor = connection_descriptor(frame)
        if descriptor is None:
            return None, -1
        self._connections.drain()
        if descriptor not in self._connections or descriptor in self._disconnecting:
            return None, descriptor
        key = peer_public_key(frame) if self._secret_key is not None else None
        return self._usage.connection(descriptor, key), descriptor

    def _count_refused(self, frame: zmq.Frame) -> None:
        self._stats.refused += 1
        if self._secret_key is not None:
            self._stats.refused_by[self._client_name(peer_public_key(frame))] += 1

    def _disconnect_largest(self) -> None:
        """Close the connection with the most topics, but not the next one right after it."""
        now = time.monotonic()
        descriptor = self._usage.largest_connection() if now >= self._next_disconnect else None
        if descriptor is not None:
            self._next_disconnect = now + _DISCONNECT_INTERVAL
            self._disconnect(descriptor, self._usage.connection(descriptor, None))

    def _disconnect(self, descriptor: int, connection: ConnectionTopics) -> None:
        if not self._connections.shut_down(descriptor):
            return
        self._usage.forget(descriptor)
        self._disconnecting.add(descriptor)
        self._stats.cut += 1
        key = connection.client if isinstance(connection.client, str) else None
        logger.warning(
            "bus: closed a connection of %s: it subscribed %d topics, which is too many",
            f"client {self._client_name(key)}" if key else "a client",
            len(connection.topics),
        )
        if key is not None:
            self._ban(key)
