"""A client that only counts: replies, whose contents are not decoded."""

from __future__ import annotations

import time
from collections.abc import Sequence

import zmq

_PATIENCE = 10_000  # milliseconds for one reply


def count_replies(endpoint: str, request: Sequence[bytes], in_flight: int, seconds: float) -> int:
    """Ask the same again and again for a while, and return how often it was answered.

    Args:
        endpoint: a ROUTER.
        request: the frames, without envelope.
        in_flight: requests that are under way at the same time.
        seconds: how long.
    """
    frames, replies = [b"", *request], 0
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        for _ in range(in_flight):
            socket.send_multipart(frames)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not socket.poll(_PATIENCE):
                raise RuntimeError("no reply within 10 s")
            socket.recv_multipart()
            socket.send_multipart(frames)
            replies += 1
    return replies
