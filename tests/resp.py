"""A minimal RESP codec: encodes commands, and reads raw replies."""

from __future__ import annotations

from typing import BinaryIO


class ConnectionLost(ConnectionError):
    """The server closed the connection before a complete reply."""


def pack(*args: str | bytes | int) -> bytes:
    """Encode a command."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in args]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def read_reply(stream: BinaryIO) -> bytes:
    """Read one complete RESP2 reply, with nested ones, and return its bytes."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionLost(f"the server closed the connection after {line!r}")
    size = int(line[1:]) if line[:1] in b"$*" else -1
    if line[:1] == b"$" and size >= 0:
        body = stream.read(size + 2)
        if len(body) < size + 2:
            raise ConnectionLost("the server closed the connection within a reply")
        return line + body
    return line + b"".join(read_reply(stream) for _ in range(size))
