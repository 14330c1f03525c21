"""How many connections a listening socket has: ZeroMQ tells of each that comes and goes.

What it tells: http://api.zeromq.org/4-3:zmq-socket-monitor.
"""

from __future__ import annotations

from collections.abc import Iterator

import zmq
from zmq.utils.monitor import parse_monitor_message

from zinfo.endpoints import GreenSocket

# Whose value is the connection's file descriptor.
_COMES = zmq.EVENT_ACCEPTED
_GOES = zmq.EVENT_DISCONNECTED
_ENDS = zmq.EVENT_MONITOR_STOPPED


def counts(socket: GreenSocket) -> Iterator[int]:
    """Return an iterator over the number of connections at each change, until the socket is closed.

    What comes and goes from this call on is counted, whenever the iterator is asked.

    Args:
        socket: one that is yet to be bound, a listening one, or one that is closed already.
    """
    if socket.closed:
        return iter(())
    monitor: GreenSocket = socket.get_monitor_socket(_COMES | _GOES | _ENDS)
    return _counted(socket, monitor)


def _counted(socket: GreenSocket, monitor: GreenSocket) -> Iterator[int]:
    connected: set[int] = set()
    try:
        while True:
            event = parse_monitor_message(monitor.recv_multipart())
            if event["event"] == _ENDS:
                return
            if event["event"] == _COMES:
                connected.add(event["value"])
            else:
                connected.discard(event["value"])
            yield len(connected)
    except zmq.ZMQError:
        if not socket.closed:
            raise
    finally:
        monitor.close(linger=0)
