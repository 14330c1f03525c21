"""zinfo polls the INFO of many Redis and Valkey servers and publishes it on a ZeroMQ bus.

The public names are imported on first use. `import zinfo` itself loads neither gevent nor redis nor
psutil and patches nothing, so that clients start fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from zinfo._version import __version__

if TYPE_CHECKING:
    from zinfo.client import Client, Fleet, FleetSubscriber, Mirror, Subscriber
    from zinfo.discovery.guard import Guard
    from zinfo.discovery.local.watcher import LocalShardWatcher
    from zinfo.discovery.source_watcher import SourceWatcher
    from zinfo.discovery.static import StaticShardWatcher
    from zinfo.discovery.target import Target
    from zinfo.discovery.watcher import ShardWatcher
    from zinfo.errors import ZinfoError
    from zinfo.poll.poller import InfoPoller
    from zinfo.query.servicer import InfoProviderServicer
    from zinfo.shards.registry import ShardEvent, ShardPublisher
    from zinfo.shards.shard import RedisShard
    from zinfo.wire.curve_keys import ClientKeys
    from zinfo.wire.info_meta import InfoMeta
    from zinfo.wire.slices import SliceSpec

__all__ = [
    "Client",
    "ClientKeys",
    "Fleet",
    "FleetSubscriber",
    "Guard",
    "InfoMeta",
    "InfoPoller",
    "InfoProviderServicer",
    "LocalShardWatcher",
    "Mirror",
    "RedisShard",
    "ShardEvent",
    "ShardPublisher",
    "ShardWatcher",
    "SliceSpec",
    "SourceWatcher",
    "StaticShardWatcher",
    "Subscriber",
    "Target",
    "ZinfoError",
    "__version__",
]

_HOMES = {
    "Client": "zinfo.client",
    "ClientKeys": "zinfo.wire.curve_keys",
    "Fleet": "zinfo.client",
    "FleetSubscriber": "zinfo.client",
    "Guard": "zinfo.discovery.guard",
    "InfoMeta": "zinfo.wire.info_meta",
    "InfoPoller": "zinfo.poll.poller",
    "InfoProviderServicer": "zinfo.query.servicer",
    "LocalShardWatcher": "zinfo.discovery.local.watcher",
    "Mirror": "zinfo.client",
    "RedisShard": "zinfo.shards.shard",
    "ShardEvent": "zinfo.shards.registry",
    "ShardPublisher": "zinfo.shards.registry",
    "ShardWatcher": "zinfo.discovery.watcher",
    "SliceSpec": "zinfo.wire.slices",
    "SourceWatcher": "zinfo.discovery.source_watcher",
    "StaticShardWatcher": "zinfo.discovery.static",
    "Subscriber": "zinfo.client",
    "Target": "zinfo.discovery.target",
    "ZinfoError": "zinfo.errors",
}
"""The module that defines each public name."""


if not TYPE_CHECKING:  # a type checker would accept any name because of it

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value  # found without this function from now on
        return value


def __dir__() -> list[str]:
    return list(__all__)
