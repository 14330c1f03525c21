"""The bare ROUTER and the bare PUB: `zmq.green` sockets that send prepared bytes."""

from __future__ import annotations

import time

import gevent
import zmq
import zmq.green

from benchmarks.worker_loop import Meter, serve_commands
from zinfo.sockets.listen import bound_endpoint

_FREE_PORT = "tcp://127.0.0.1:*"
_YIELD_EVERY = 100  # messages between two yields to the event loop


class BareZmq:
    """A ROUTER that sends the same reply to every request, and a PUB."""

    def __init__(self) -> None:
        context = zmq.green.Context()
        self._router = context.socket(zmq.ROUTER)
        self._pub = context.socket(zmq.XPUB)
        self._pub.set(zmq.SNDHWM, 0)
        self._pub.set(zmq.XPUB_VERBOSE, 1)
        self._reply: list[bytes] = []

    def start(self, reply: list[int]) -> dict[str, str]:
        """Bind both sockets.

        Args:
            reply: Sizes of the frames of a reply, in bytes.
        """
        self._reply = [bytes(size) for size in reply]
        endpoints = {}
        for name, socket in (("query", self._router), ("bus", self._pub)):
            socket.bind(_FREE_PORT)
            endpoints[name] = bound_endpoint(socket)
        gevent.spawn(self._answer)
        gevent.spawn(self._confirm_subscriptions)
        return endpoints

    def publish(self, messages: int, sizes: list[int]) -> dict[str, float]:
        """Publish as fast as possible.

        Args:
            messages: Number of messages.
            sizes: Sizes of header and body, in bytes.

        Returns:
            The start by the monotonic clock, and the cost.
        """
        frames = [b"z1/info/shard/", *map(bytes, sizes)]
        began, meter = time.monotonic(), Meter()
        for number in range(messages):
            self._pub.send_multipart(frames)
            if number % _YIELD_EVERY == 0:
                gevent.sleep(0)
        return {"began": began, **meter.read()}

    def _answer(self) -> None:
        while True:
            envelope = self._router.recv_multipart()[:2]
            self._router.send_multipart(envelope + self._reply)

    def _confirm_subscriptions(self) -> None:
        while True:
            (frame,) = self._pub.recv_multipart()
            if frame.startswith(b"\x01~fence/"):
                self._pub.send_multipart([frame[1:], b"", b""])


if __name__ == "__main__":
    sockets = BareZmq()
    serve_commands({"start": sockets.start, "publish": sockets.publish})
