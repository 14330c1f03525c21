"""A small daemon on real sockets, with faults that tests can switch on.

It speaks through `zinfo.wire` and plain zmq; what it publishes and answers is a
`ModelDaemon`'s. A thread owns its sockets; tests change the model with `do`.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import TypeVar

import zmq

from tests.client.model import Frames, ModelDaemon
from zinfo.wire.bus_messages import FENCE_PREFIX, fields_of_topic
from zinfo.wire.query_messages import split_envelope

T = TypeVar("T")

INTERVAL = 2.0
"""Seconds between heartbeats. A client waits for three of them, so a busy machine may stop this
process for some seconds. Tests that need a heartbeat call `WirePeer.beat`."""

QUICK_INTERVAL = 0.2
"""The same for tests of silence; a client may at times find this peer silent without a reason."""

REBIND_TIMEOUT = 60.0  # seconds until a port that was just released is free again


class WirePeer:
    """A daemon for tests; a context manager.

    Args:
        shards: ids that it has, each polled once.
        interval: seconds between heartbeats.
        high_water_mark: messages that wait for a slow subscriber before some are dropped.
        kinds: of topics that it offers, as in ModelDaemon.

    Attributes:
        query: its query endpoint.
        drop: how many of the next bus messages, except fences, are dropped.
        mute: whether heartbeats and fences are suppressed.
        deaf: whether requests are read and ignored.
        requests: received, without envelopes.
        envelopes: of the requests; different for each socket.
        spoil: changes a reply's frames before they are sent; without frames, no reply is sent.
    """

    def __init__(
        self,
        *shards: str,
        interval: float = INTERVAL,
        high_water_mark: int = 1000,
        kinds: Collection[str] | None = None,
    ) -> None:
        self.interval = interval
        self.high_water_mark = high_water_mark
        self.kinds = kinds
        self.drop = 0
        self.mute = False
        self.deaf = False
        self.requests: list[Frames] = []
        self.envelopes: list[Frames] = []
        self.spoil: Callable[[Frames], Frames] = list
        self._context = zmq.Context()
        self._tasks: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._ending = False
        self._bus = self._bind(zmq.XPUB, "tcp://127.0.0.1:*")
        self._router = self._bind(zmq.ROUTER, "tcp://127.0.0.1:*")
        self.query = self._endpoint(self._router)
        self.daemon = self._start(1, shards)
        self._thread = threading.Thread(target=self._run, name="wire-peer")

    def __enter__(self) -> WirePeer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        self._thread.join()
        self._bus.close(0)
        self._router.close(0)
        self._context.term()

    # --- called by tests

    @property
    def bus(self) -> str:
        """Its bus endpoint."""
        return self.daemon.bus

    def do(self, task: Callable[[ModelDaemon], T]) -> T:
        """Call `task` with the model in the thread that owns the sockets; return its result."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(task(self.daemon))
            except BaseException as error:
                done.set_exception(error)

        self._tasks.put(run)
        return done.result(60)

    def beat(self) -> None:
        """Send a heartbeat now."""
        self.do(lambda daemon: daemon.beat())

    def restart(self, *shards: str, same_bus: bool = True) -> None:
        """Restart with another epoch and these shards."""

        def task(former: ModelDaemon) -> None:
            self._bus.close(0)
            self._router.close(0)
            bus = former.bus if same_bus else "tcp://127.0.0.1:*"
            self._bus = self._bind(zmq.XPUB, bus)
            self._router = self._bind(zmq.ROUTER, self.query)
            self.daemon = self._start(former.epoch + 1, shards)

        self.do(task)

    # --- its thread

    def _start(self, epoch: int, shards: tuple[str, ...]) -> ModelDaemon:
        daemon = ModelDaemon(
            epoch,
            self._publish,
            time.time,
            bus=self._endpoint(self._bus),
            fence_totals=True,
            kinds=self.kinds,
        )
        daemon.interval = self.interval
        for shard in shards:
            daemon.add(shard, zone="z")
            daemon.poll(shard, {"role": "master"})
        return daemon

    def _bind(self, kind: int, endpoint: str) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.set(zmq.LINGER, 0)
        if kind == zmq.XPUB:
            socket.set(zmq.XPUB_VERBOSE, 1)
            socket.set(zmq.SNDHWM, self.high_water_mark)
        deadline = time.monotonic() + REBIND_TIMEOUT
        while True:
            try:
                socket.bind(endpoint)
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return socket

    @staticmethod
    def _endpoint(socket: zmq.Socket[bytes]) -> str:
        endpoint = socket.get(zmq.LAST_ENDPOINT)
        assert isinstance(endpoint, bytes)
        return endpoint.decode()

    def _publish(self, frames: Frames) -> None:
        if self.drop and not frames[0].startswith(FENCE_PREFIX):
            self.drop -= 1
        else:
            self._bus.send_multipart(frames)

    def _run(self) -> None:
        next_beat = time.monotonic()
        while not self._ending:
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + self.interval
                if not self.mute:
                    self.daemon.beat()
            poller = zmq.Poller()
            poller.register(self._bus, zmq.POLLIN)
            poller.register(self._router, zmq.POLLIN)
            ready = dict(poller.poll(5))
            if self._bus in ready:
                self._subscription(self._bus.recv())
            if self._router in ready:
                self._request(self._router.recv_multipart())
            with contextlib.suppress(queue.Empty):
                self._tasks.get_nowait()()

    def _subscription(self, frame: bytes) -> None:
        if frame[:1] == b"\x01" and frame[1:].startswith(FENCE_PREFIX) and not self.mute:
            self.daemon.fence(frame[1:])
        elif frame[:1] == b"\x01" and fields_of_topic(frame[1:]):
            self.daemon.fields.add(frame[1:])

    def _request(self, frames: Frames) -> None:
        envelope, request = split_envelope(frames)
        self.envelopes.append(envelope)
        self.requests.append(request)
        if not self.deaf and (reply := self.spoil(self.daemon.answer(request))):
            self._router.send_multipart(envelope + reply)
