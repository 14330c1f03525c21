"""A daemon's two sockets with nothing behind them: a test says what it publishes."""

from __future__ import annotations

import threading
from types import TracebackType

import zmq
from typing_extensions import Self

from zinfo.protocol import FENCE_PREFIX, Header, encode_reply, pack, split_envelope, topic

HEARTBEAT = 0.5  # seconds; subscribers wait three of them


class ScriptedDaemon:
    """Answers every request as if it were `hello`, and fences; the rest is `publish`."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._bus = self._context.socket(zmq.XPUB)
        self._bus.setsockopt(zmq.XPUB_VERBOSE, 1)
        for socket in (self._router, self._bus):
            socket.linger = 0
        self.query = f"tcp://127.0.0.1:{self._router.bind_to_random_port('tcp://127.0.0.1')}"
        self.bus = f"tcp://127.0.0.1:{self._bus.bind_to_random_port('tcp://127.0.0.1')}"
        self.epoch = 7
        self._answering = threading.Thread(target=self._answer_hello)

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
        self._answering.join()
        self._context.term()

    def wait_fence(self) -> bytes:
        """Wait until a subscriber asks for its fence; gives its topic."""
        while self._bus.poll(10_000):
            raw = self._bus.recv()
            if raw.startswith(b"\x01" + FENCE_PREFIX):
                return raw[1:]
        raise AssertionError("nobody subscribed a fence")

    def publish(self, kind: str, name: str, seq: int, value: object = None) -> None:
        """Publish one message."""
        self.send(topic(kind, name), seq, pack({} if value is None else value))

    def send(self, raw_topic: bytes, seq: int, body: bytes) -> None:
        """Publish one message of any topic and body."""
        header = Header(1, "scripted", self.epoch, seq, 1.0)
        self._bus.send_multipart([raw_topic, pack(list(header)), body])

    def _answer_hello(self) -> None:
        try:
            if self._router.poll(10_000):
                envelope, _ = split_envelope(self._router.recv_multipart())
                body = pack({"bus": [self.bus], "heartbeat": HEARTBEAT})
                reply = encode_reply(None, "scripted", self.epoch)
                self._router.send_multipart([*envelope, *reply, body])
        finally:
            self._router.close()
