"""Tracks the connections of a listening socket by ZeroMQ's socket monitor events.

The events: http://api.zeromq.org/4-3:zmq-socket-monitor.
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

# The value of these two is the connection's file descriptor.
_ACCEPTED = zmq.EVENT_ACCEPTED
_DISCONNECTED = zmq.EVENT_DISCONNECTED
_STOPPED = zmq.EVENT_MONITOR_STOPPED


class ConnectionMonitor:
    """The open connections of one socket, as a collection of their file descriptors.

    Args:
        socket: a socket that is not bound yet.
        on_disconnect: called with the descriptor of each connection that has closed, or whose
            descriptor has been reused.
    """

    def __init__(self, socket: GreenSocket, on_disconnect: Callable[[int], object] = int) -> None:
        self._socket = socket
        self._on_disconnect = on_disconnect
        self._monitor: GreenSocket = socket.get_monitor_socket(_ACCEPTED | _DISCONNECTED | _STOPPED)
        # The same socket without gevent, for `drain`.
        self._plain: zmq.Socket[Any] = zmq.Socket.shadow(self._monitor.underlying)
        self._open: set[int] = set()
        self._running = False

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, descriptor: object) -> bool:
        return descriptor in self._open

    def run(self, on_change: Callable[[], object] = int) -> None:
        """Handle monitor events until the socket is closed; runs in a greenlet of its own.

        Args:
            on_change: called after each event.
        """
        self._running = True
        try:
            while self._handle(self._monitor.recv_multipart()):
                on_change()
        except zmq.ZMQError:
            if not self._socket.closed:
                raise
        finally:
            self._running = False
        self.close()
        on_change()

    def close(self) -> None:
        """Close the monitor of a closed socket, unless `run` is running: it closes it itself."""
        if not self._running:
            self._open.clear()
            self._monitor.close(linger=0)

    def drain(self) -> None:
        """Handle all queued events, so that a new connection is not mistaken for an old one.

        The operating system reuses a descriptor as soon as it is closed.
        """
        with contextlib.suppress(zmq.ZMQError):
            while not self._socket.closed:  # or `run` would miss the last event
                self._handle(self._plain.recv_multipart(zmq.NOBLOCK))

    def shut_down(self, descriptor: int) -> bool:
        """Shut a connection down, if the descriptor still belongs to this socket.

        Returns:
            Whether it was shut down.
        """
        self.drain()
        if descriptor not in self._open or self._socket.closed:
            return False
        try:
            # A duplicate refers to the same connection even if libzmq closes its own descriptor.
            connection = sockets.socket(fileno=os.dup(descriptor))
        except OSError:
            return False
        with connection:
            if not _is_accepted_at(connection, bound_endpoint(self._socket)):
                return False
            with contextlib.suppress(OSError):
                connection.shutdown(sockets.SHUT_RDWR)
        return True

    def _handle(self, frames: list[bytes]) -> bool:
        """Handle one event; return False if it was the last one."""
        event = parse_monitor_message(frames)
        if event["event"] == _STOPPED:
            return False
        descriptor = int(event["value"])
        self._open.discard(descriptor)
        self._on_disconnect(descriptor)
        if event["event"] == _ACCEPTED:
            self._open.add(descriptor)
        return True


def _is_accepted_at(connection: sockets.socket, endpoint: str) -> bool:
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
