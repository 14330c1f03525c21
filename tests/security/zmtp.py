"""A tiny speaker of ZMTP 3.1 over a plain TCP socket: what libzmq would not let a test send.

https://rfc.zeromq.org/spec/37/
"""

from __future__ import annotations

import socket
import struct
from urllib.parse import urlsplit

from typing_extensions import override

from tests.closing import Closing

GREETING = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + b"\0" * 32
"""Signature, version, mechanism NULL, not a server, filler: 64 bytes."""

_MORE, _LONG, _COMMAND = 1, 2, 4  # flags of a frame

TIMEOUT = 30.0
"""Seconds for each step; a peer that is slower has failed."""


def address(endpoint: str) -> tuple[str, int]:
    """Return host and port of a tcp:// endpoint."""
    parts = urlsplit(endpoint)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def frame(body: bytes, *, more: bool = False, command: bool = False) -> bytes:
    """Return a frame as it goes over the wire."""
    flags = (_MORE if more else 0) | (_COMMAND if command else 0)
    if len(body) > 255:
        return struct.pack(">BQ", flags | _LONG, len(body)) + body
    return struct.pack(">BB", flags, len(body)) + body


def ready(socket_type: bytes) -> bytes:
    """Return the command that ends the handshake."""
    body = b"\x05READY"
    for name, value in ((b"Socket-Type", socket_type), (b"Identity", b"")):
        body += bytes((len(name),)) + name + struct.pack(">I", len(value)) + value
    return frame(body, command=True)


class RawPeer(Closing):
    """One connection to a ZeroMQ socket.

    Args:
        endpoint: where to connect.
        socket_type: what it says it is, as b"DEALER"; None stops before the greeting.
        rcvbuf: bytes that the kernel receives for it; None for the kernel's choice.
    """

    def __init__(
        self, endpoint: str, socket_type: bytes | None = b"DEALER", *, rcvbuf: int | None = None
    ) -> None:
        self.socket = socket.socket()
        self._read = b""
        try:
            self.socket.settimeout(TIMEOUT)
            if rcvbuf is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
            self.socket.connect(address(endpoint))
            if socket_type is not None:
                self._shake_hands(socket_type)
        except BaseException:
            self.socket.close()
            raise

    @override
    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def send(self, *frames: bytes) -> None:
        """Send one whole message."""
        last = len(frames) - 1
        self.socket.sendall(b"".join(frame(one, more=n < last) for n, one in enumerate(frames)))

    def recv(self) -> list[bytes]:
        """Return the next message; ZMTP's own commands are passed over."""
        frames: list[bytes] = []
        while True:
            flags, body = self._frame()
            if flags & _COMMAND:
                continue
            frames.append(body)
            if not flags & _MORE:
                return frames

    def closed(self) -> bool:
        """Whether the other side has ended the connection; what it sent before is thrown away."""
        self.socket.settimeout(0)
        try:
            while True:
                if not self.socket.recv(65536):
                    return True
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(TIMEOUT)

    def _shake_hands(self, socket_type: bytes) -> None:
        self.socket.sendall(GREETING + ready(socket_type))
        self._exactly(len(GREETING))
        flags, _ = self._frame()
        assert flags & _COMMAND, "the other side is to say READY"

    def _frame(self) -> tuple[int, bytes]:
        (flags,) = self._exactly(1)
        size = struct.unpack(">Q", self._exactly(8))[0] if flags & _LONG else self._exactly(1)[0]
        return flags, self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        while len(self._read) < count:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("the other side closed")
            self._read += chunk
        found, self._read = self._read[:count], self._read[count:]
        return found
