"""A green socket without the bookkeeping of `zmq.green`, which costs more than a send itself.

`zmq.green` asks the socket for its state after each send and receive, and makes a new event and a
timer for each wait. What that is good for is done here, once in a turn of the event loop:

- ZeroMQ makes its file descriptor readable once, when something new arrives
  (http://api.zeromq.org/4-3:zmq-getsockopt, ZMQ_FD), and each use of the socket may take that. A
  reader who waits would sleep on beside a message. So it is looked after whenever somebody sent.
- What ZeroMQ's own thread says, such as that a peer has read what it was sent, is heard only now
  and then. A peer that reads well may seem to be full until somebody listens.
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
"""Frames of a message that are received; a request has three and its envelope, often one."""

_READ = 1  # of the event loop's watchers
_MORE = zmq.NOBLOCK | zmq.SNDMORE
# What is around these in zmq.Socket costs as much as they do.
_send = zmq.backend.Socket.send
_receive = zmq.backend.Socket.recv
_get = zmq.backend.Socket.get


class DirectSocket:
    """Sends from any greenlet or callback of the event loop, never waiting; one greenlet reads.

    Args:
        socket: green socket. Options may be set on it, and read; all else goes through here.
        max_frames: frames of a message that are received, at most; the rest is discarded.
    """

    def __init__(self, socket: GreenSocket, max_frames: int = MAX_FRAMES) -> None:
        self._socket = socket
        self._max_frames = max_frames
        self._has_rest = False  # whether the next frame is one of a message to be discarded
        self._plain: zmq.Socket[Any] = zmq.Socket.shadow(socket.underlying)
        self._closed = False
        self._waiter: Waiter[None] | None = None  # of the reader, while there is nothing to read
        self._to_look = False
        self._loop: Any = gevent.get_hub().loop  # whose stubs lack the watchers
        descriptor: Any = socket.getsockopt(zmq.FD)
        self._watcher = self._loop.io(descriptor, _READ)
        self._watcher.start(self._look)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def close(self) -> None:
        """Close the socket, with what waits to be sent; who reads gets an error."""
        if self._closed:
            return
        self._closed = True
        self._watcher.stop()
        self._watcher.close()
        self._socket.close(linger=0)
        self._loop.run_callback(self._look)

    def send(self, frames: Sequence[bytes]) -> None:
        """Send a message, without a wait; does nothing where the socket is closed.

        Args:
            frames: two at least.

        Raises:
            zmq.Again: the high-water mark of the peer is reached; nothing was sent.
            zmq.ZMQError: it could not be sent for another reason, such as that the peer is gone.
        """
        if self._closed:
            return  # the plain view knows nothing of it, and must not be touched
        if not self._to_look:
            self._to_look = True
            self._loop.run_callback(self._look_again)
        first, *rest, last = frames
        try:
            _send(self._plain, first, _MORE)
        except zmq.Again:
            _get(self._plain, zmq.EVENTS)  # listen to ZeroMQ's thread: does the peer read?
            _send(self._plain, first, _MORE)
        for frame in rest:
            _send(self._plain, frame, _MORE)
        _send(self._plain, last, zmq.NOBLOCK)

    def receive(self, *, copy: bool = True) -> list[Any]:
        """Return the next message, waiting for it; this greenlet only, not all others, waits.

        Of a message with more than `max_frames` frames it returns one frame more than those; the
        rest is discarded, while the event loop turns.

        Args:
            copy: whether to return bytes; otherwise frames, which tell whose they are.

        Raises:
            zmq.ZMQError: the socket was closed, or its context has ended.
        """
        while True:
            if self._closed:
                raise zmq.ZMQError(zmq.ENOTSOCK)
            if self._has_rest:  # the greenlet that was to discard it has been killed
                self._discard_rest()
                continue
            try:
                frames = [_receive(self._plain, zmq.NOBLOCK, copy)]
            except zmq.Again:
                self._wait()
                continue
            while _get(self._plain, zmq.RCVMORE):
                if len(frames) > self._max_frames:
                    self._has_rest = True
                    self._discard_rest()
                    break
                frames.append(_receive(self._plain, zmq.NOBLOCK, copy))
            return frames

    def _discard_rest(self) -> None:
        """Discard the rest of a message; messages can be sent meanwhile, none is received."""
        yielder = CooperativeYield()
        while self._has_rest:
            if self._closed:
                raise zmq.ZMQError(zmq.ENOTSOCK)
            self._has_rest = discard_frames(self._plain)
            if self._has_rest:
                yielder.maybe_yield()

    def _wait(self) -> None:
        if self._waiter is not None:
            raise RuntimeError("another greenlet reads this socket")
        self._waiter = Waiter()
        try:
            self._waiter.get()
        finally:
            self._waiter = None

    def _look_again(self) -> None:
        self._to_look = False
        self._look()

    def _look(self) -> None:
        """Wake the reader where there is something for it; called by the event loop only."""
        if self._waiter is not None and (self._closed or self._is_readable()):
            self._waiter.switch(None)

    def _is_readable(self) -> bool:
        try:
            events: Any = _get(self._plain, zmq.EVENTS)
            return bool(events & zmq.POLLIN)
        except zmq.ZMQError:
            return True  # the reader will get the error, too, and tell it
