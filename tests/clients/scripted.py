"""A fake daemon: the test determines what it publishes and replies."""

from __future__ import annotations

import threading
from types import TracebackType

import zmq
from typing_extensions import Self

from tests.waiting import wait_until
from zinfo.wire.bus_messages import FENCE_PREFIX, Header, topic
from zinfo.wire.codec import pack
from zinfo.wire.query_messages import decode_request, encode_reply, split_envelope

HEARTBEAT = 20.0
"""Announced interval in seconds; no heartbeat comes, and three intervals outlast each test."""

REPLY_TIMEOUT = 60
"""Seconds to wait for what a program sends."""


class ScriptedDaemon:
    """Replies to `hello` and `get_infos`; everything on the bus is sent by the test.

    Args:
        heartbeat: Interval that `hello` announces, in seconds; it sends no heartbeats by itself.
        host: Address that it listens on.
        announced: Host of the bus that `hello` announces; empty for `host`.

    Attributes:
        epoch: Epoch in bus messages and replies.
        infos: Entries of the reply to `get_infos`.
        events: Total number of events, in heartbeats and fences.
        revisions: Total number of revisions, in heartbeats and fences.
        requests: Number of requests received.
        mute: Whether it sends no replies.
    """

    def __init__(
        self, heartbeat: float = HEARTBEAT, host: str = "127.0.0.1", announced: str = ""
    ) -> None:
        self._heartbeat = heartbeat
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._bus = self._context.socket(zmq.XPUB)
        self._bus.setsockopt(zmq.XPUB_VERBOSE, 1)
        for socket in (self._router, self._bus):
            socket.linger = 0
        self.query = f"tcp://{host}:{self._router.bind_to_random_port(f'tcp://{host}')}"
        self.bus = f"tcp://{announced or host}:{self._bus.bind_to_random_port(f'tcp://{host}')}"
        self.epoch = 7
        self.infos: list[dict[str, object]] = []
        self.events = 0
        self.revisions = 0
        self.requests = 0
        self.mute = False
        self._ended = threading.Event()
        self._answering = threading.Thread(target=self._answer)

    def __enter__(self) -> Self:
        self._answering.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bus.close()
        self._ended.set()
        self._answering.join()
        self._context.term()

    def wait_fence(self) -> bytes:
        """Wait until a subscriber subscribes to its fence; returns the topic."""
        while self._bus.poll(1000 * REPLY_TIMEOUT):
            raw = self._bus.recv()
            if raw.startswith(b"\x01" + FENCE_PREFIX):
                return raw[1:]
        raise AssertionError("no client subscribed to a fence")

    def publish(self, kind: str, name: str, seq: int, value: object = None) -> None:
        """Publish one message."""
        self.send(topic(kind, name), seq, pack({} if value is None else value))

    def send(self, raw_topic: bytes, seq: int, body: bytes) -> None:
        """Publish one message with any topic and body."""
        header = Header(1, "scripted", self.epoch, seq, 1.0)
        self._bus.send_multipart([raw_topic, pack(list(header)), body])

    def beat(self, raw_topic: bytes = topic("hb", "scripted"), seq: int = 1) -> None:
        """Publish the totals, as a heartbeat or with the topic of a fence."""
        totals = {"interval": self._heartbeat, "shards": 1}
        body = {**totals, "events": self.events, "revisions": self.revisions}
        self.send(raw_topic, seq, pack(body))

    def join(self, entry: dict[str, object] | None = None) -> bytes:
        """Complete a join: the fence, and the query of the cache; returns the fence."""
        self.infos = [] if entry is None else [entry]
        fence = self.wait_fence()
        self.beat(fence, 0)
        self.wait_requests(2)  # hello is the first
        return fence

    def wait_requests(self, count: int) -> None:
        """Wait until this many requests are handled."""
        wait_until(lambda: self.requests >= count, timeout=REPLY_TIMEOUT, what=f"{count} requests")

    def _answer(self) -> None:
        try:
            while not self._ended.is_set():
                if not self._router.poll(20):
                    continue
                envelope, frames = split_envelope(self._router.recv_multipart())
                request = decode_request(frames)
                body: object = self.infos
                if request.op == "hello":
                    body = {"bus": [self.bus], "heartbeat": self._heartbeat, "versions": [1]}
                reply = encode_reply(request.id, "scripted", self.epoch)
                if not self.mute:
                    self._router.send_multipart([*envelope, *reply, pack(body)])
                self.requests += 1
        finally:
            self._router.close()


def entry(shard: str, revision: int, **fields: object) -> dict[str, object]:
    """An entry of the reply to `get_infos`."""
    meta = {"shard_identifier": shard, "info_age": 0.1, "state": "up", "time": 1.0}
    return {**fields, "meta": {**meta, "revision": revision}}
