"""A green socket without the overhead of `zmq.green`, which exceeds the cost of a send.

`zmq.green` reads ZMQ_EVENTS after each send and receive, and creates an event and a timer for each
wait. This module does what is necessary of that, at most once per event loop iteration:

- ZMQ_FD is edge-triggered (http://api.zeromq.org/4-3:zmq-getsockopt), and any use of the socket may
  consume the edge, after which a waiting reader would not wake up although a message is queued. So
  after a send, the next loop iteration checks whether the reader must wake up.
- libzmq processes commands of its I/O thread, such as "this peer has read its messages", only now
  and then. Until it does, a peer that keeps up may appear to have reached its high-water mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gevent
import zmq
from gevent.hub import Waiter

from zinfo.loop.yielding import CooperativeYield
from zinfo.sockets.discard import discard_frames
from zinfo.sockets.listen import GreenSocket

MAX_FRAMES = 16
"""Frames of a message that are received; a request has three, and usually one as its envelope."""

_READ = 1  # event mask of a libev or libuv I/O watcher
_MORE = zmq.NOBLOCK | zmq.SNDMORE
# The methods of zmq.Socket that wrap these functions cost as much as the functions.
_send = zmq.backend.Socket.send
_receive = zmq.backend.Socket.recv
_get = zmq.backend.Socket.get


class DirectSocket:
    """Sends without blocking, from any greenlet or event loop callback; one greenlet receives.

    Args:
        socket: green socket. Only its options may be used directly.
        max_frames: frames of a message that are received; the rest are discarded.
    """

    def __init__(self, socket: GreenSocket, max_frames: int = MAX_FRAMES) -> None:
        self._socket = socket
        self._max_frames = max_frames
        self._discarding = False  # whether the next frame belongs to a message to discard
        self._plain: zmq.Socket[Any] = zmq.Socket.shadow(socket.underlying)
        self._closed = False
        self._waiter: Waiter[None] | None = None  # of the reader, while it waits
        self._check_queued = False
        self._loop: Any = gevent.get_hub().loop  # gevent's stubs lack the watchers
        descriptor: Any = socket.getsockopt(zmq.FD)
        self._watcher = self._loop.io(descriptor, _READ)
        self._watcher.start(self.wake_reader)

    @property
    def closed(self) -> bool:
        """Whether the socket was closed."""
        return self._closed

    def close(self) -> None:
        """Close the socket and drop unsent messages; a waiting `receive` raises."""
        if self._closed:
            return
        self._closed = True
        self._watcher.stop()
        self._watcher.close()
        self._socket.close(linger=0)
        self._loop.run_callback(self.wake_reader)

    def send(self, frames: Sequence[bytes]) -> None:
        """Send a message without blocking; does nothing if the socket is closed.

        Args:
            frames: at least two.

        Raises:
            zmq.Again: the peer's high-water mark is reached; nothing was sent.
            zmq.ZMQError: the message cannot be sent, for example because the peer is disconnected.
        """
        if self._closed:
            return  # `_plain` does not know and must not be used
        if not self._check_queued:
            self._check_queued = True
            self._loop.run_callback(self._run_check)
        first, *rest, last = frames
        try:
            _send(self._plain, first, _MORE)
        except zmq.Again:
            _get(self._plain, zmq.EVENTS)  # processes commands of libzmq's I/O thread
            _send(self._plain, first, _MORE)
        for frame in rest:
            _send(self._plain, frame, _MORE)
        _send(self._plain, last, zmq.NOBLOCK)

    def receive(self, *, copy: bool = True) -> list[Any]:
        """Wait for the next message and return it; blocks the calling greenlet only.

        Of a message with more than `max_frames` frames it returns `max_frames + 1`. The rest are
        discarded, with yields to the event loop.

        Args:
            copy: whether to return bytes; otherwise `zmq.Frame`, which identifies the peer.

        Raises:
            zmq.ZMQError: the socket was closed, or its context was terminated.
        """
        while True:
            if self._closed:
                raise zmq.ZMQError(zmq.ENOTSOCK)
            if self._discarding:  # the previous reader was killed before it finished
                self._discard_rest()
                continue
            try:
                frames = [_receive(self._plain, zmq.NOBLOCK, copy)]
            except zmq.Again:
                self._wait()
                continue
            while _get(self._plain, zmq.RCVMORE):
                if len(frames) > self._max_frames:
                    self._discarding = True
                    self._discard_rest()
                    break
                frames.append(_receive(self._plain, zmq.NOBLOCK, copy))
            return frames

    def _discard_rest(self) -> None:
        """Discard the rest of a message; other greenlets can send meanwhile."""
        yielder = CooperativeYield()
        while self._discarding:
            if self._closed:
                raise zmq.ZMQError(zmq.ENOTSOCK)
            self._discarding = discard_frames(self._plain)
            if self._discarding:
                yielder.maybe_yield()

    def _wait(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("another greenlet is receiving from this socket")
        self._waiter = Waiter()
        try:
            self._waiter.get()
        finally:
            self._waiter = None

    def _run_check(self) -> None:
        self._check_queued = False
        self.wake_reader()

    def wake_reader(self) -> None:
        """Switch to the reader if it waits and can continue; for callbacks of the event loop.

        Returns when the reader waits again, be it for a message or for its next turn.
        """
        if self._waiter is not None and (self._closed or self._is_readable()):
            self._waiter.switch(None)

    def _is_readable(self) -> bool:
        try:
            events: Any = _get(self._plain, zmq.EVENTS)
            return bool(events & zmq.POLLIN)
        except zmq.ZMQError:
            return True  # the reader gets the same error and raises it
