"""A SUB socket that decodes bus messages, independent of `zinfo.client`."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import zmq

from tests.waiting import TIMEOUT
from zinfo.wire.bus_messages import Header, fence_topic, parse_topic, unpack_header
from zinfo.wire.codec import unpack


@dataclass(frozen=True)
class Message:
    """A decoded bus message."""

    kind: str
    name: str
    header: Header
    body: Any


class BusSubscriber:
    """A subscriber; its constructor waits until the subscriptions are in effect."""

    def __init__(self, socket: zmq.Socket[bytes], topics: tuple[bytes, ...]) -> None:
        self._socket = socket
        for topic in topics:
            socket.subscribe(topic)
        nonce = secrets.token_hex(8)
        socket.subscribe(fence_topic(nonce))
        self.before_fence = self.until(lambda message: message.kind == "fence")
        assert self.before_fence[-1].name == nonce

    def receive(self, timeout: float = TIMEOUT) -> Message:
        """Return the next message; raise AssertionError if none comes."""
        assert self._socket.poll(int(timeout * 1000)), f"nothing on the bus for {timeout} s"
        frames = self._socket.recv_multipart()
        assert len(frames) == 3
        kind, name = parse_topic(frames[0])
        body = unpack(frames[2]) if frames[2] else None
        return Message(kind, name, unpack_header(frames[1]), body)

    def until(self, wanted: Callable[[Message], bool], timeout: float = TIMEOUT) -> list[Message]:
        """Return all messages up to and including the first wanted one."""
        received: list[Message] = []
        deadline = time.monotonic() + timeout
        while True:
            received.append(self.receive(max(0.0, deadline - time.monotonic())))
            if wanted(received[-1]):
                return received


@contextlib.contextmanager
def subscribed(endpoint: str, *topics: bytes) -> Iterator[BusSubscriber]:
    """Subscribe to topics of a bus."""
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        yield BusSubscriber(socket, topics)
