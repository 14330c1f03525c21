"""Peers of the bus that say what a SUB socket never would, and receive whatever they are sent."""

from __future__ import annotations

from types import TracebackType

import zmq
from typing_extensions import Self

from tests.daemons import set_curve_keys
from zinfo.wire.curve_keys import ClientKeys

USER_MESSAGES: tuple[tuple[bytes, ...], ...] = (
    (b"\x02",),
    (b"\x02z1/info/",),
    (b"\xffz1/info/secret-1/",),
    (b"",),
    (b"\x01z1/info/", b""),
    (b"\x00", b"\x01", b"\x02"),
    (b"\x03" * 300,),
)
"""Messages to an XPUB that are neither a subscription nor the end of one."""


class BusPeer:
    """An XSUB socket: it filters nothing that comes, and sends what it likes.

    Args:
        context: to make the socket in.
        endpoint: of a bus.
        keys: which it shows.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, keys: ClientKeys | None
    ) -> None:
        self._socket = context.socket(zmq.XSUB)
        self._socket.linger = 0
        self._socket.sndtimeo = 2000  # milliseconds; a peer that is not let in cannot send
        if keys is not None:
            set_curve_keys(self._socket, keys)
        self._socket.connect(endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send(self, *frames: bytes) -> bool:
        """Send a message of its own; return False where the peer is not (yet) connected."""
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def subscribe(self, prefix: bytes) -> bool:
        """Subscribe to all topics that begin with `prefix`."""
        return self.send(b"\x01" + prefix)

    def unsubscribe(self, prefix: bytes) -> bool:
        """Take a subscription back."""
        return self.send(b"\x00" + prefix)

    def received(self, wait: float = 0.0) -> list[list[bytes]]:
        """Return the messages that have come.

        Args:
            wait: seconds to wait for the first of them.
        """
        messages = []
        timeout = int(wait * 1000)
        while self._socket.poll(timeout):
            messages.append(self._socket.recv_multipart())
            timeout = 0
        return messages
