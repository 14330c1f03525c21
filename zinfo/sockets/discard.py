"""Discards the rest of a multipart message that has more frames than are wanted.

libzmq hands over a multipart message whole, whatever its number of frames, and the next message of
the socket comes after its last frame. pyzmq takes two to three seconds for a million frames; a loop
in C takes a tenth of a second. Both are done in pieces, so that the event loop turns in between.
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

# What the loop in C calls, in the order in which it takes them.
_NAMES = ("zmq_msg_init", "zmq_msg_close", "zmq_msg_more", "zmq_msg_recv")
_LOOK_EVERY = 32  # frames between two looks at the clock, without the native part

_receive = zmq.backend.Socket.recv
_get = zmq.backend.Socket.get


def _find_functions() -> _Functions | None:
    """Return the addresses of libzmq's functions; None where they cannot be called from C."""
    if native is None:
        return None
    try:
        # Loaded already, and it depends on the libzmq that pyzmq uses: no other one is found.
        library = ctypes.CDLL(str(sys.modules[zmq.backend.Socket.__module__].__file__))
        init, close, more, receive = (
            ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in _NAMES
        )
    except (AttributeError, KeyError, OSError):  # a pyzmq that was built in another way
        return None
    return init, close, more, receive


_functions = _find_functions()


def discard_frames(socket: zmq.Socket[Any]) -> bool:
    """Discard frames of the message whose first frames were received, for two milliseconds.

    Args:
        socket: that it was received from; open, and not a green one.

    Returns:
        Whether the message has more frames.

    Raises:
        zmq.ZMQError: the socket fails.
    """
    if native is None or _functions is None:
        return _discard_slowly(socket)
    try:
        _, more = native.discard_frames(_functions, socket.underlying, YIELD_INTERVAL)
    except OSError as error:
        raise zmq.ZMQError(error.errno) from None
    return more


def _discard_slowly(socket: zmq.Socket[Any]) -> bool:
    until = time.monotonic() + YIELD_INTERVAL
    while True:
        for _ in range(_LOOK_EVERY):
            _receive(socket, zmq.NOBLOCK, False)
            if not _get(socket, zmq.RCVMORE):
                return False
        if time.monotonic() >= until:
            return True
