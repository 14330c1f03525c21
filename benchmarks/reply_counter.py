"""A query client that counts replies without decoding them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import zmq

_TIMEOUT = 10_000  # milliseconds for one reply


def count_replies(endpoint: str, request: Sequence[bytes], in_flight: int, seconds: float) -> int:
    """Send the same request repeatedly, and return the number of replies.

    Args:
        endpoint: Endpoint of a ROUTER.
        request: Frames of the request, without envelope.
        in_flight: Number of requests that are outstanding at any time.
        seconds: How long to send.

    Raises:
        RuntimeError: No reply came within the timeout.
    """
    frames, replies = [b"", *request], 0
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        for _ in range(in_flight):
            socket.send_multipart(frames)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not socket.poll(_TIMEOUT):
                raise RuntimeError("no reply within 10 s")
            socket.recv_multipart()
            socket.send_multipart(frames)
            replies += 1
    return replies
