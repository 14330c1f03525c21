"""The bare router and the bare pub: `zmq.green` sockets that send prepared bytes, nothing else."""

from __future__ import annotations

import time

import gevent
import zmq
import zmq.green

from benchmarks.worker_loop import Meter, serve_commands
from zinfo.sockets.listen import bound_endpoint

_FREE_PORT = "tcp://127.0.0.1:*"
_BREATHE = 100  # messages after which the event loop has its turn


class BareZmq:
    """A ROUTER that answers anything with the same frames, and a PUB."""

    def __init__(self) -> None:
        context = zmq.green.Context()
        self._router = context.socket(zmq.ROUTER)
        self._pub = context.socket(zmq.XPUB)
        self._pub.set(zmq.SNDHWM, 0)
        self._pub.set(zmq.XPUB_VERBOSE, 1)
        self._reply: list[bytes] = []

    def start(self, reply: list[int]) -> dict[str, str]:
        """Bind.

        Args:
            reply: sizes of the reply's frames, in bytes.
        """
        self._reply = [bytes(size) for size in reply]
        endpoints = {}
        for name, socket in (("query", self._router), ("bus", self._pub)):
            socket.bind(_FREE_PORT)
            endpoints[name] = bound_endpoint(socket)
        gevent.spawn(self._answer)
        gevent.spawn(self._fence)
        return endpoints

    def publish(self, messages: int, sizes: list[int]) -> dict[str, float]:
        """Publish as fast as it can.

        Args:
            messages: how many.
            sizes: of header and body, in bytes.

        Returns:
            When that began, by the monotonic clock; and what it cost.
        """
        frames = [b"z1/info/shard/", *map(bytes, sizes)]
        began, meter = time.monotonic(), Meter()
        for number in range(messages):
            self._pub.send_multipart(frames)
            if number % _BREATHE == 0:
                gevent.sleep(0)
        return {"began": began, **meter.read()}

    def _answer(self) -> None:
        while True:
            envelope = self._router.recv_multipart()[:2]
            self._router.send_multipart(envelope + self._reply)

    def _fence(self) -> None:
        while True:
            (frame,) = self._pub.recv_multipart()
            if frame.startswith(b"\x01~fence/"):
                self._pub.send_multipart([frame[1:], b"", b""])


if __name__ == "__main__":
    worker = BareZmq()
    serve_commands({"start": worker.start, "publish": worker.publish})
