"""Talking to a daemon from asyncio: the `Client`, `Subscriber` and `Mirror` of `zinfo.client`.

Same arguments, methods and meanings; what waits there is awaited here, and nothing is done before
`async with` (or `open()`). None of this loads gevent, redis or psutil. `context=` takes a
`zmq.asyncio.Context`. Each object belongs to one event loop; a Client may be used by many of its
tasks at once.

Inside, all that does not wait is `zinfo.client`'s own (`calls`, `stream`, `holding`, and what they
are made of); here is the waiting.
"""

from __future__ import annotations

from zinfo.aio.client import Client
from zinfo.aio.mirror import Mirror
from zinfo.aio.subscriber import Subscriber

__all__ = ["Client", "Mirror", "Subscriber"]
