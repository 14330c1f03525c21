"""A bus in this process, whose polls and events the test makes, and its subscribers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import gevent
import zmq.green
from typing_extensions import Self, override

from tests.closing import Closing
from tests.waiting import wait_until
from zinfo.bus.publisher import InfoBus
from zinfo.health.stats import Stats
from zinfo.security.bus_endpoints import BusEndpoint
from zinfo.security.bus_rights import UNLIMITED, BusRights
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.bus_messages import (
    Header,
    fence_topic,
    parse_topic,
    unpack_batch,
    unpack_header,
)
from zinfo.wire.codec import unpack
from zinfo.wire.identity import Identity


class Message(NamedTuple):
    """A message, or one of a batch."""

    topic: bytes
    header: Header
    body: Any


class MadePolls:
    """A source of snapshots that a test makes."""

    def __init__(self) -> None:
        self.events = EventLog()
        self.revisions = 0
        self._callbacks: list[Callable[[RedisShard, Snapshot | None, Snapshot], None]] = []

    def subscribe_snapshots(
        self, callback: Callable[[RedisShard, Snapshot | None, Snapshot], None]
    ) -> None:
        """Call `callback` at each poll."""
        self._callbacks.append(callback)

    def refresh(self, shard_id: str, floor: float) -> None:
        """Do nothing."""

    def poll(self, shard: RedisShard, raw: bytes) -> None:
        """Store and publish a reply."""
        previous = shard.snapshot
        now = time.time()
        snapshot = Snapshot(raw, shard.revision + 1, now, time.monotonic(), previous)
        self.revisions += 1
        shard.store(snapshot, 0.0)
        for callback in self._callbacks:
            callback(shard, previous, snapshot)


class InProcessBus(Closing):
    """An InfoBus on free ports of this machine.

    Args:
        shards: ids of the shards.
        limited: sets of rights that have a socket each.
    """

    def __init__(self, shards: Sequence[str], limited: Sequence[BusRights] = ()) -> None:
        self._context: Any = zmq.green.Context()
        self._greenlets: list[Any] = []
        self._nonces = itertools.count()
        self.source = MadePolls()
        self.publisher = ShardPublisher()
        self.shards = [RedisShard(ident, None) for ident in shards]
        for shard in self.shards:
            self.publisher.add_shard(shard)
        self.stats = Stats()
        self.beats = 0  #: heartbeats so far
        self.bus = InfoBus(
            self._context,
            "tcp://127.0.0.1:*",
            self.publisher,
            self.source,
            stats=self.stats,
            identity=Identity("node"),
            limited=[BusEndpoint(rights, ("x",), "tcp://127.0.0.1:*") for rights in limited],
        )
        self.bus.query_endpoint = lambda: "tcp://127.0.0.1:1"

    def __enter__(self) -> Self:
        self._greenlets.append(gevent.spawn(self.bus.run_subscriptions))
        return self

    @override
    def close(self) -> None:
        self.bus.close()
        gevent.killall(self._greenlets)
        self._context.destroy(linger=0)

    def subscriber(self, rights: BusRights = UNLIMITED) -> Subscriber:
        """Return a subscriber that is connected."""
        endpoint = self.bus.client_endpoint(rights)
        assert endpoint is not None
        socket: Any = self._context.socket(zmq.SUB)
        return Subscriber(socket, endpoint, f"n{next(self._nonces)}")

    def poll(self, shard: int, raw: bytes) -> None:
        """Store and publish a reply of one of the shards."""
        self.source.poll(self.shards[shard], raw)

    def event(self, shard: int) -> None:
        """Publish an event of one of the shards."""
        self.source.events.emit(self.shards[shard].id, "up", "down", "up")

    def beat(self) -> None:
        """Publish a heartbeat."""
        self.beats += 1
        self.bus.publish_heartbeat()


class Subscriber(Closing):
    """A SUB socket that lists the messages of batches like those that came alone.

    Attributes:
        fence: the last fence, once it has been received.
        messages: received after the fence.
        batches: batches received after the fence, with their bytes as body.
    """

    def __init__(self, socket: Any, endpoint: str, nonce: str) -> None:
        self._socket = socket
        self._nonce = nonce
        self.fence: Message | None = None
        self.messages: list[Message] = []
        self.batches: list[Message] = []
        socket.linger = 0
        socket.rcvhwm = 0
        socket.sndhwm = 0  # otherwise many subscriptions at once would be dropped
        socket.connect(endpoint)
        self.join()

    @override
    def close(self) -> None:
        self._socket.close()

    def subscribe(self, *topics: bytes) -> None:
        """Subscribe topics, and then another fence, without waiting for it."""
        self.fence = None
        self.messages, self.batches = [], []
        self._nonce += "x"
        for topic in topics:
            self._socket.subscribe(topic)
        self._socket.subscribe(fence_topic(self._nonce))

    def join(self, *topics: bytes) -> Self:
        """Subscribe topics and wait for the fence."""
        self.subscribe(*topics)
        return self.joined()

    def joined(self) -> Self:
        """Wait for the fence."""
        wait_until(lambda: self.read() and self.fence, what="the fence", sleep=gevent.sleep)
        return self

    def until_beat(self, seq: int) -> Self:
        """Wait for a heartbeat."""
        wait_until(lambda: self.read() and self._has_beat(seq), what="it", sleep=gevent.sleep)
        return self

    def _has_beat(self, seq: int) -> bool:
        beats = [one for one in self.messages if parse_topic(one.topic)[0] == "hb"]
        return bool(beats) and beats[-1].header.seq >= seq

    def read(self) -> bool:
        """Read what has arrived; return True."""
        while self._socket.poll(0):
            topic, header, body = self._socket.recv_multipart()
            for message in _messages(topic, header, body):
                if self.fence is not None:
                    self.messages.append(message)
                elif message.topic == fence_topic(self._nonce):
                    self.fence = message
            if self.fence is not None and parse_topic(topic)[0] in ("batch", "fields"):
                self.batches.append(Message(topic, unpack_header(header), body))
        return True


def _messages(topic: bytes, header: bytes, body: bytes) -> Iterator[Message]:
    if parse_topic(topic)[0] in ("batch", "fields"):
        for frames in unpack_batch(body):
            yield Message(frames[0], unpack_header(frames[1]), unpack(frames[2]))
    else:
        yield Message(topic, unpack_header(header), unpack(body))


def deltas(messages: Sequence[Message]) -> list[Message]:
    """Return those of some messages that are deltas."""
    return [message for message in messages if parse_topic(message.topic)[0] == "delta"]
