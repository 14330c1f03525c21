"""Bus peers that send what a SUB socket never sends, and receive all messages unfiltered."""

from __future__ import annotations

import zmq
from typing_extensions import override

from tests.closing import Closing
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
"""Messages to an XPUB socket that are neither subscriptions nor unsubscriptions."""


class BusPeer(Closing):
    """An XSUB socket: filters no messages, and can send messages of its own.

    Args:
        context: context of the socket.
        endpoint: of the bus.
        keys: its CURVE keys; None for none.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, keys: ClientKeys | None
    ) -> None:
        self._socket = context.socket(zmq.XSUB)
        self._socket.linger = 0
        self._socket.sndtimeo = 2000  # milliseconds; a refused peer cannot send
        if keys is not None:
            set_curve_keys(self._socket, keys)
        self._socket.connect(endpoint)

    @override
    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send(self, *frames: bytes) -> bool:
        """Send a message; return False if the peer is not connected."""
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def subscribe(self, prefix: bytes) -> bool:
        """Subscribe all topics that start with `prefix`."""
        return self.send(b"\x01" + prefix)

    def unsubscribe(self, prefix: bytes) -> bool:
        """Cancel a subscription."""
        return self.send(b"\x00" + prefix)

    def received(self, wait: float = 0.0) -> list[list[bytes]]:
        """Return the messages received so far.

        Args:
            wait: seconds to wait for the first one.
        """
        messages = []
        timeout = int(wait * 1000)
        while self._socket.poll(timeout):
            messages.append(self._socket.recv_multipart())
            timeout = 0
        return messages
