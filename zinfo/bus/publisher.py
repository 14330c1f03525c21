"""InfoBus: publishes snapshots, deltas, lifecycle events and heartbeats.

Messages without a subscriber are neither parsed, encoded nor sent. Any greenlet and any event loop
callback may publish.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import gevent

from zinfo.bus.field_sets import WHOLE, FieldSets
from zinfo.bus.sender import BusSender
from zinfo.bus.socket import BusSocket
from zinfo.bus.socket_set import BusAccess, BusSockets
from zinfo.bus.subscriptions import ShardSubscriptions
from zinfo.health.stats import Stats
from zinfo.info.encoder import encode_event, encode_snapshot, without_fields
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
    topic,
)
from zinfo.wire.codec import pack
from zinfo.wire.identity import Identity
from zinfo.wire.lifecycle import Event


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
        self._sender = BusSender(identity, stats.bus, clock, lambda: self._sockets.subscribed)
        self.endpoint = self._sockets.unlimited.address  #: the bound address, with the actual port
        publisher.subscribe_shard_event(ShardEvent.REMOVED, self._forget)
        poller.subscribe_snapshots(self.publish_snapshot)
        poller.events.subscribe(self.publish_event)

    def close(self) -> None:
        """Close the sockets; nothing is published any more."""
        self._sender.close()
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
        sockets = self._sockets.subscribed
        if len(sockets) == 1:
            self._publish_on(sockets[0], shard, previous, snapshot)
        elif sockets:
            self._publish_on_several(sockets, shard, previous, snapshot)

    def _publish_on(
        self,
        socket: BusSocket,
        shard: RedisShard,
        previous: Snapshot | None,
        snapshot: Snapshot,
    ) -> None:
        subscriptions = socket.subscriptions_to(shard.id)
        selections = socket.wanted_deltas(subscriptions)
        if not selections and not subscriptions.info_subscribed:
            return
        header = b""  # batches have one of their own
        if subscriptions.delta_subscribed or subscriptions.info_subscribed:
            header = self._sender.header(snapshot.revision, snapshot.time)
        if selections:
            bodies = snapshot.deltas_from(previous, socket.field_sets.selections, selections)
            self._publish_deltas(socket, subscriptions, snapshot, header, bodies)
        if subscriptions.info_subscribed:
            info = _info(snapshot, socket.hides)
            self._sender.send(socket, KIND_INFO, subscriptions.info_topic, header, info)

    def _publish_on_several(
        self,
        sockets: Sequence[BusSocket],
        shard: RedisShard,
        previous: Snapshot | None,
        snapshot: Snapshot,
    ) -> None:
        """Publish a snapshot; what several sockets publish is encoded once."""
        receivers: list[tuple[BusSocket, ShardSubscriptions]] = []
        wanted: dict[FieldSets, int] = {}
        for socket in sockets:
            subscriptions = socket.subscriptions_to(shard.id)
            selections = socket.wanted_deltas(subscriptions)
            if selections:
                wanted[socket.field_sets] = wanted.get(socket.field_sets, 0) | selections
            if selections or subscriptions.info_subscribed:
                receivers.append((socket, subscriptions))
        if not receivers:
            return
        header = self._sender.header(snapshot.revision, snapshot.time)
        deltas = {
            field_sets: snapshot.deltas_from(previous, field_sets.selections, selections)
            for field_sets, selections in wanted.items()
        }
        infos: dict[FieldSets, bytes] = {}
        for socket, subscriptions in receivers:
            if socket.field_sets in deltas:
                bodies = deltas[socket.field_sets]
                self._publish_deltas(socket, subscriptions, snapshot, header, bodies)
            if subscriptions.info_subscribed:
                info = infos.get(socket.field_sets)
                if info is None:
                    info = infos[socket.field_sets] = _info(snapshot, socket.hides)
                self._sender.send(socket, KIND_INFO, subscriptions.info_topic, header, info)

    def _publish_deltas(
        self,
        socket: BusSocket,
        subscriptions: ShardSubscriptions,
        snapshot: Snapshot,
        header: bytes,
        bodies: Sequence[bytes | None],
    ) -> None:
        """Publish a delta alone and in batches, where these are subscribed."""
        whole = bodies[WHOLE]
        if subscriptions.delta_subscribed and whole is not None:
            self._sender.send(socket, KIND_DELTA, subscriptions.delta_topic, header, whole)
        if subscriptions.is_allowed:
            head, sender = subscriptions.batched_head, self._sender
            for batch in socket.batches.all:
                body = bodies[batch.selection]
                if body is not None:
                    packed = sender.batched(head, snapshot.revision, snapshot.time, body)
                    sender.add(socket, batch, packed)

    def publish_event(self, event: Event) -> None:
        """Publish a lifecycle event."""
        full_topic = topic(KIND_EVENT, event.shard)
        for socket in self._sockets:
            rights = socket.rights_for_event(event.shard, full_topic)
            if rights is not None:
                body = encode_event(rights.visible_event(event))
                header = self._sender.header(event.seq, event.time)
                self._sender.send(socket, KIND_EVENT, full_topic, header, body)

    def publish_heartbeat(self) -> None:
        """Publish one heartbeat on each socket."""
        self._heartbeat_seq += 1
        for socket in self._sockets:
            if not socket.closed:
                body = pack(self._totals(socket))
                header = self._sender.header(self._heartbeat_seq, self._clock())
                self._sender.send(socket, KIND_HEARTBEAT, self._heartbeat_topic, header, body)

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
        # The totals count the deltas that wait in batches, which are sent before the fence: a
        # subscriber that has just joined does not count them again.
        header = self._sender.header(0, self._clock())
        self._sender.send(socket, KIND_FENCE, topic, header, pack(totals))

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

    def _forget(self, shard: RedisShard) -> None:
        for socket in self._sockets:
            socket.forget(shard.id)


def _info(snapshot: Snapshot, hides: Callable[[str], bool] | None) -> bytes:
    """Return the body of an "info" message without hidden fields."""
    fields = snapshot.encoded()
    return encode_snapshot(fields if hides is None else without_fields(fields, hides))
