"""The connections of a listening socket: ZeroMQ tells of each that comes and goes.

What it tells: http://api.zeromq.org/4-3:zmq-socket-monitor.
"""

from __future__ import annotations

import contextlib
import os
import socket as sockets
from collections.abc import Callable
from typing import Any

import zmq
from zmq.utils.monitor import parse_monitor_message

from zinfo.sockets.listen import GreenSocket, bound_endpoint
from zinfo.wire.addresses import parse_endpoint

# Whose value is the connection's file descriptor.
_COMES = zmq.EVENT_ACCEPTED
_GOES = zmq.EVENT_DISCONNECTED
_ENDS = zmq.EVENT_MONITOR_STOPPED


class Connections:
    """Follows the connections of one socket by their file descriptors, until it is closed.

    Args:
        socket: one that is yet to be bound.
        gone: called with the descriptor of each connection that has gone, or whose descriptor
            another one has now.
    """

    def __init__(self, socket: GreenSocket, gone: Callable[[int], object] = int) -> None:
        self._socket = socket
        self._gone = gone
        self._monitor: GreenSocket = socket.get_monitor_socket(_COMES | _GOES | _ENDS)
        # The same socket without gevent's waiting, for `drain`.
        self._plain: zmq.Socket[Any] = zmq.Socket.shadow(self._monitor.underlying)
        self._open: set[int] = set()
        self._followed = False

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, descriptor: object) -> bool:
        return descriptor in self._open

    def follow(self, changed: Callable[[], object] = int) -> None:
        """Follow what comes and goes until the socket is closed; to be run in a greenlet.

        Args:
            changed: called after each change.
        """
        self._followed = True
        try:
            while self._take(self._monitor.recv_multipart()):
                changed()
        except zmq.ZMQError:
            if not self._socket.closed:
                raise
        finally:
            self._followed = False
        self.close()
        changed()

    def close(self) -> None:
        """Follow no more, where nobody does who will end by itself; the socket is closed."""
        if not self._followed:
            self._open.clear()
            self._monitor.close(linger=0)

    def drain(self) -> None:
        """Take what ZeroMQ has told already, so that a new connection is not taken for an old one.

        A descriptor is given to the next connection as soon as the one before is closed.
        """
        with contextlib.suppress(zmq.ZMQError):
            while not self._socket.closed:  # or `follow` would miss the last message
                self._take(self._plain.recv_multipart(zmq.NOBLOCK))

    def cut(self, descriptor: int) -> bool:
        """End one connection, where the descriptor still is one of this socket's.

        Returns:
            Whether it was ended.
        """
        self.drain()
        if descriptor not in self._open or self._socket.closed:
            return False
        try:
            # A duplicate stays the same connection, whatever ZeroMQ's thread does to its own.
            connection = sockets.socket(fileno=os.dup(descriptor))
        except OSError:
            return False
        with connection:
            if not _is_of(connection, bound_endpoint(self._socket)):
                return False
            with contextlib.suppress(OSError):
                connection.shutdown(sockets.SHUT_RDWR)
        return True

    def _take(self, frames: list[bytes]) -> bool:
        """Take one message; False where it was the last."""
        event = parse_monitor_message(frames)
        if event["event"] == _ENDS:
            return False
        descriptor = int(event["value"])
        self._open.discard(descriptor)
        self._gone(descriptor)
        if event["event"] == _COMES:
            self._open.add(descriptor)
        return True


def _is_of(connection: sockets.socket, endpoint: str) -> bool:
    """Return whether a connection was accepted at an endpoint."""
    try:
        address: Any = connection.getsockname()
    except OSError:
        return False
    bound = parse_endpoint(endpoint)
    if bound.scheme != "tcp":
        path = bound.path
        return connection.family == sockets.AF_UNIX and address in (path, "\0" + path[1:])
    return connection.family in (sockets.AF_INET, sockets.AF_INET6) and address[1] == bound.port
