"""Values sent between the daemon and a process that it started, in pieces. Imports no gevent.

Each piece is a pickle with a header, small enough to be decoded in well below a millisecond. Pickle
is safe here, because both ends of the pipes run the same code.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, Protocol, TypeVar

Request = TypeVar("Request")


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, count: int, /) -> bytes:
        """Read so many bytes, or what is left."""
        ...


LENGTH = struct.Struct(">Q")
"""Header of a piece: its size in bytes."""

_NICENESS = 10  # on a single core the daemon has priority


def framed(value: object) -> bytes:
    """Return a value as a piece, with its header."""
    packed = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(packed)) + packed


def read_piece(source: Readable) -> Any:
    """Read a piece.

    Raises:
        EOFError: the stream ended.
    """
    (length,) = LENGTH.unpack(read_exactly(source, LENGTH.size))
    return pickle.loads(read_exactly(source, length))


def read_exactly(source: Readable, count: int) -> bytes:
    """Read so many bytes.

    Raises:
        EOFError: the stream ended before.
    """
    data = source.read(count)
    if len(data) < count:
        raise EOFError
    return data


def serve(
    read: Callable[[BinaryIO], Request], reply: Callable[[Request], Iterable[object]]
) -> None:
    """Serve the one request of the daemon on the standard streams, and end the process.

    The daemon leaves the standard input open: when the daemon ends, for any reason, this process
    ends as well.

    Args:
        read: reads the whole request from a stream.
        reply: yields the values of the reply to it.
    """
    with contextlib.suppress(OSError):  # the service manager may forbid it
        os.nice(_NICENESS)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    request = read(source)
    threading.Thread(target=_end_with_the_daemon, args=(source,), daemon=True).start()
    for value in reply(request):
        sink.write(framed(value))
    sink.flush()
    os._exit(0)  # a normal exit would wait for the other thread, which is still reading


def _end_with_the_daemon(source: BinaryIO) -> None:
    source.read()
    os._exit(1)
