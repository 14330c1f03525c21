"""Discards the remaining frames of a multipart message with too many frames.

libzmq delivers a multipart message completely, whatever its number of frames, before the next one.
pyzmq needs two to three seconds for a million frames; a loop in C needs a tenth of a second. Both
work in slices of 2 ms, between which the caller can yield to the event loop.
"""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any, TypeAlias

import zmq

from zinfo.loop.yielding import YIELD_INTERVAL
from zinfo.native.loader import native

_Functions: TypeAlias = "tuple[int, int, int, int]"

# The functions that the loop in C calls, in the order of its arguments.
_NAMES = ("zmq_msg_init", "zmq_msg_close", "zmq_msg_more", "zmq_msg_recv")
_FRAMES_PER_CHECK = 32  # frames between two readings of the clock, without the C extension

_receive = zmq.backend.Socket.recv
_get = zmq.backend.Socket.get


def _find_functions() -> _Functions | None:
    """Return the addresses of libzmq's functions; None if they cannot be called from C."""
    if native is None:
        return None
    try:
        # pyzmq's extension module is loaded already and links the libzmq to use.
        library = ctypes.CDLL(str(sys.modules[zmq.backend.Socket.__module__].__file__))
        init, close, more, receive = (
            ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in _NAMES
        )
    except (AttributeError, KeyError, OSError):  # pyzmq was built differently
        return None
    return init, close, more, receive


_functions = _find_functions()


def discard_frames(socket: zmq.Socket[Any]) -> bool:
    """Discard frames of a message whose first frames were received, for up to 2 ms.

    Args:
        socket: the socket that received them; open, and not a green one.

    Returns:
        Whether the message has more frames to discard.

    Raises:
        zmq.ZMQError: the socket fails.
    """
    if native is None or _functions is None:
        return _discard_in_python(socket)
    try:
        _, more = native.discard_frames(_functions, socket.underlying, YIELD_INTERVAL)
    except OSError as error:
        raise zmq.ZMQError(error.errno) from None
    return more


def _discard_in_python(socket: zmq.Socket[Any]) -> bool:
    until = time.monotonic() + YIELD_INTERVAL
    while True:
        for _ in range(_FRAMES_PER_CHECK):
            _receive(socket, zmq.NOBLOCK, False)
            if not _get(socket, zmq.RCVMORE):
                return False
        if time.monotonic() >= until:
            return True
