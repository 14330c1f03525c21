"""Clients for asyncio: `Client`, `Subscriber`, `Mirror` and `Fleet` of `zinfo.client` with `await`.

Arguments, methods and meanings are the same; methods that block there are awaited here, and nothing
starts before `async with` (or `open()`). `context=` takes a `zmq.asyncio.Context`. Each object
belongs to one event loop; many tasks may use one Client at once. Nothing here imports gevent, redis
or psutil.

This package has only the parts that wait; everything else is imported from `zinfo.client`, where
reading should begin. `client_operations` is the source of the module of that name there.
"""

from __future__ import annotations

from zinfo.aio.client import Client
from zinfo.aio.fleet import Fleet
from zinfo.aio.fleet_subscriber import FleetSubscriber
from zinfo.aio.mirror import Mirror
from zinfo.aio.subscriber import Subscriber

__all__ = ["Client", "Fleet", "FleetSubscriber", "Mirror", "Subscriber"]
