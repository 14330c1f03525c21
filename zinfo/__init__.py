"""zinfo polls the INFO of many Redis and Valkey servers and publishes it on a ZeroMQ bus.

The public names are imported when they are first used, so that `import zinfo` loads no gevent, no
redis and no psutil, and patches nothing: a client pays for what a client needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from zinfo._version import __version__

if TYPE_CHECKING:
    from zinfo.client import Client, Mirror, Subscriber
    from zinfo.curve import ClientKeys
    from zinfo.errors import ZinfoError
    from zinfo.poller import InfoPoller
    from zinfo.servicer import InfoProviderServicer
    from zinfo.shard import RedisShard
    from zinfo.shard_publisher import ShardEvent, ShardPublisher
    from zinfo.watchers.base import ShardWatcher
    from zinfo.watchers.local import LocalShardWatcher
    from zinfo.watchers.static import StaticShardWatcher

__all__ = [
    "Client",
    "ClientKeys",
    "InfoPoller",
    "InfoProviderServicer",
    "LocalShardWatcher",
    "Mirror",
    "RedisShard",
    "ShardEvent",
    "ShardPublisher",
    "ShardWatcher",
    "StaticShardWatcher",
    "Subscriber",
    "ZinfoError",
    "__version__",
]

_HOMES = {
    "Client": "zinfo.client",
    "ClientKeys": "zinfo.curve",
    "InfoPoller": "zinfo.poller",
    "InfoProviderServicer": "zinfo.servicer",
    "LocalShardWatcher": "zinfo.watchers.local",
    "Mirror": "zinfo.client",
    "RedisShard": "zinfo.shard",
    "ShardEvent": "zinfo.shard_publisher",
    "ShardPublisher": "zinfo.shard_publisher",
    "ShardWatcher": "zinfo.watchers.base",
    "StaticShardWatcher": "zinfo.watchers.static",
    "Subscriber": "zinfo.client",
    "ZinfoError": "zinfo.errors",
}
"""The module that defines each public name."""


if not TYPE_CHECKING:  # a type checker that saw it would accept any name

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value  # from now on found without coming here
        return value


def __dir__() -> list[str]:
    return list(__all__)
