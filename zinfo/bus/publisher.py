"""InfoBus: publishes snapshots, deltas, lifecycle events and heartbeats.

Messages without a subscriber are neither parsed, encoded nor sent. Each send is NOBLOCK and passes
all frames of a message at once, so any greenlet and any event loop callback may publish.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence

import gevent
import zmq

from zinfo.bus.batches import Batch
from zinfo.bus.bodies import FilteredBodies
from zinfo.bus.flush_timer import FlushTimer
from zinfo.bus.socket import BusSocket
from zinfo.bus.socket_set import BusAccess, BusSockets
from zinfo.bus.subscriptions import ShardSubscriptions
from zinfo.health.stats import Stats
from zinfo.info.encoder import encode_delta, encode_event, encode_snapshot
from zinfo.security.bus_endpoints import BusEndpoint, advertised
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


class InfoBus:
    """Publishes on XPUB sockets; subscribers connect to them with SUB sockets.

    Args:
        context: green context of the sockets.
        endpoint: address to bind for the clients without limits.
        publisher: the live shards.
        poller: the source of snapshots and events.
        stats: the counters to update.
        identity: of the daemon.
        high_water_mark: messages queued for a slow subscriber; ZeroMQ drops further ones, and the
            subscriber detects the gap by the sequence number.
        heartbeat: seconds between two heartbeats.
        advertise: endpoint that clients are given instead of the bound one; "" for none.
        access: the clients' keys; None admits every client.
        limited: endpoints of the limited sets of rights.
        clock: returns the time of heartbeats and fences, in seconds since the Unix epoch.

    Raises:
        EnvironmentNotReadyError: an address cannot be bound.
    """

    def __init__(  # noqa: PLR0913 - what it connects, and what is configured
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
        access: BusAccess | None = None,
        limited: Sequence[BusEndpoint] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self.heartbeat = heartbeat
        self.query_endpoint: Callable[[], str] = str  #: returns what heartbeats announce
        self._advertise = advertise
        self._publisher = publisher
        self._poller = poller
        self._stats = stats
        self._node, self._epoch = identity.node, identity.epoch
        self._heartbeat_topic = topic(KIND_HEARTBEAT, identity.node)
        self._heartbeat_seq = 0
        self._sockets = BusSockets(
            context,
            endpoint,
            limited,
            stats=stats.bus,
            high_water_mark=high_water_mark,
            access=access,
            publish_fence=self._publish_fence,
        )
        self._timer = FlushTimer(self._flush_all, self._report)
        self.endpoint = self._sockets.unlimited.address  #: the bound address, with the actual port
        publisher.subscribe_shard_event(ShardEvent.REMOVED, self._forget)
        poller.subscribe_snapshots(self.publish_snapshot)
        poller.events.subscribe(self.publish_event)

    def close(self) -> None:
        """Close the sockets; nothing is published any more."""
        self._timer.close()
        self._publisher.unsub_shard_event(ShardEvent.REMOVED, self._forget)
        self._sockets.close()

    def client_endpoint(self, rights: BusRights | None = UNLIMITED) -> str | None:
        """Return the endpoint for clients with these rights; None if they have none.

        Where it has a wildcard host, a client replaces it by the host that it has connected to.
        """
        socket = None if rights is None else self._sockets.get(rights)
        return None if socket is None else self._advertised(socket)

    def update_endpoints(
        self, limited: Sequence[BusEndpoint], reset: Collection[BusRights]
    ) -> list[str]:
        """Open and close sockets after a reload; see `BusSockets.update`."""
        return self._sockets.update(limited, reset)

    def run_subscriptions(self) -> None:
        """Read the subscriptions of all sockets; runs in a greenlet of its own."""
        self._sockets.run()

    def publish_snapshot(
        self, shard: RedisShard, previous: Snapshot | None, snapshot: Snapshot
    ) -> None:
        """Publish a snapshot, whole and as a delta, on each socket where that is subscribed."""
        delta: bytes | None = None
        info: bytes | None = None
        filtered: FilteredBodies | None = None
        for socket in self._sockets.subscribed:
            subscriptions = socket.subscriptions_to(shard.id)
            if socket.field_filter is not None:
                filtered = filtered or FilteredBodies(previous, snapshot)
                self._publish_filtered(socket, subscriptions, snapshot, filtered)
                continue
            if _wants_delta(socket, subscriptions):
                if delta is None:
                    fields, removed = snapshot.delta_from(previous)
                    delta = encode_delta(fields, removed, previous.revision if previous else 0)
                self._publish_delta(socket, subscriptions, snapshot, delta)
            if subscriptions.info_subscribed:
                info = info or encode_snapshot(snapshot.encoded())
                self._publish_info(socket, subscriptions, snapshot, info)

    def _publish_filtered(
        self,
        socket: BusSocket,
        subscriptions: ShardSubscriptions,
        snapshot: Snapshot,
        bodies: FilteredBodies,
    ) -> None:
        """Publish a snapshot without hidden fields."""
        assert socket.field_filter is not None
        if _wants_delta(socket, subscriptions):
            body = bodies.delta(socket.field_filter)
            self._publish_delta(socket, subscriptions, snapshot, body)
        if subscriptions.info_subscribed:
            body = bodies.info(socket.field_filter)
            self._publish_info(socket, subscriptions, snapshot, body)

    def _publish_delta(
        self,
        socket: BusSocket,
        subscriptions: ShardSubscriptions,
        snapshot: Snapshot,
        body: bytes,
    ) -> None:
        """Publish a delta alone, and in a batch, where these are subscribed."""
        header = pack_header(self._node, self._epoch, snapshot.revision, snapshot.time)
        if subscriptions.delta_subscribed:
            self._send(socket, KIND_DELTA, subscriptions.delta_topic, header, body)
        batch = socket.batches.whole
        if batch is not None and subscriptions.is_allowed:
            self._add(socket, batch, subscriptions.batched_head, header, body)

    def _publish_info(
        self,
        socket: BusSocket,
        subscriptions: ShardSubscriptions,
        snapshot: Snapshot,
        body: bytes,
    ) -> None:
        header = pack_header(self._node, self._epoch, snapshot.revision, snapshot.time)
        self._send(socket, KIND_INFO, subscriptions.info_topic, header, body)

    def publish_event(self, event: Event) -> None:
        """Publish a lifecycle event."""
        full_topic = topic(KIND_EVENT, event.shard)
        for socket in self._sockets:
            rights = socket.rights_for_event(event.shard, full_topic)
            if rights is not None:
                body = encode_event(rights.visible_event(event))
                header = pack_header(self._node, self._epoch, event.seq, event.time)
                self._flush(socket)
                self._send(socket, KIND_EVENT, full_topic, header, body)

    def publish_heartbeat(self) -> None:
        """Publish one heartbeat on each socket."""
        self._heartbeat_seq += 1
        for socket in self._sockets:
            if not socket.closed:
                body = pack(self._totals(socket))
                self._flush(socket)
                header = pack_header(self._node, self._epoch, self._heartbeat_seq, self._clock())
                self._send(socket, KIND_HEARTBEAT, self._heartbeat_topic, header, body)

    def run_heartbeat(self) -> None:
        """Publish heartbeats and measure the event loop's lag; runs in a greenlet of its own."""
        due = time.monotonic() + self.heartbeat
        while True:
            gevent.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            lag = max(0.0, now - due)
            self._stats.hub_lag = lag
            self._stats.hub_lag_max = max(self._stats.hub_lag_max, lag)
            self.publish_heartbeat()
            # Relative to when this one was due, so that time spent publishing it counts as lag.
            due = (due if lag < self.heartbeat else now) + self.heartbeat

    def _publish_fence(self, socket: BusSocket, topic: bytes, refused: Sequence[bytes]) -> None:
        totals = self._totals(socket)
        if refused:
            totals["refused"] = [one.decode("utf-8", "backslashreplace") for one in refused]
        # All deltas so far are in these totals, also those that wait in a batch. A subscriber that
        # has just joined must not count them after its fence.
        self._flush(socket)
        header = pack_header(self._node, self._epoch, 0, self._clock())
        self._send(socket, KIND_FENCE, topic, header, pack(totals))

    def _totals(self, socket: BusSocket) -> dict[str, object]:
        return {
            "interval": self.heartbeat,
            "shards": len(self._publisher),
            "events": self._poller.events.newest,
            "revisions": self._poller.revisions,
            "query": self.query_endpoint(),
            "bus": self._advertised(socket),
            "lag": self._stats.hub_lag,
        }

    def _advertised(self, socket: BusSocket) -> str:
        if socket is self._sockets.unlimited:
            return self._advertise or self.endpoint
        return advertised(self._advertise, socket.address)

    # --- batches

    def _add(
        self, socket: BusSocket, batch: Batch, head: bytes, header: bytes, body: bytes
    ) -> None:
        """Add a delta to a batch, which is sent when it is full or at the end of the tick."""
        if not batch.fits(body):
            self._send_batch(socket, batch)
        batch.add(head, header, body)
        if batch.is_full:
            self._send_batch(socket, batch)
        else:
            self._timer.set()

    def _flush(self, socket: BusSocket) -> None:
        """Send what waits in the batches of a socket, as messages that follow refer to it."""
        for batch in socket.batches:
            if batch.size:
                self._send_batch(socket, batch)

    def _flush_all(self, until: float) -> bool:
        """Send what waits in all batches, up to a monotonic clock; return whether that was all."""
        for socket in self._sockets.subscribed:
            if time.monotonic() > until:
                return False
            self._flush(socket)
        return True

    def _send_batch(self, socket: BusSocket, batch: Batch) -> None:
        body = batch.take()
        header = pack_header(self._node, self._epoch, batch.seq, self._clock())
        self._send(socket, batch.kind, batch.topic, header, body)

    def _report(self, error: BaseException) -> None:
        self._stats.bus.errors += 1
        logger.error("bus: unexpected error while sending a batch", exc_info=error)

    def _send(
        self, socket: BusSocket, kind: str, full_topic: bytes, header: bytes, body: bytes
    ) -> None:
        try:
            socket.send((full_topic, header, body))
        except zmq.ZMQError as error:
            # An XPUB socket drops messages for a slow peer without an error: this is another one.
            self._stats.bus.errors += 1
            logger.error("bus: cannot send %s: %s", full_topic.decode(), error)
            return
        self._stats.bus.messages[kind] += 1
        self._stats.bus.bytes += len(body)

    def _forget(self, shard: RedisShard) -> None:
        for socket in self._sockets:
            socket.forget(shard.id)


def _wants_delta(socket: BusSocket, subscriptions: ShardSubscriptions) -> bool:
    """Return whether a delta is published on a socket, alone or in a batch."""
    return subscriptions.delta_subscribed or (
        subscriptions.is_allowed and socket.batches.whole is not None
    )
