"""Two watchers that list one shard, and a shard that other code removes."""

from __future__ import annotations

from tests.discovery.test_contract import MAKERS
from tests.promises import Promise
from tests.servers import RealServer
from zinfo.discovery.static import StaticShardWatcher
from zinfo.shards.registry import ShardPublisher


def test_a_shard_that_two_watchers_list_stays_when_the_first_stops(
    server: RealServer, promise: Promise
) -> None:
    left = {}
    for name, make in MAKERS.items():
        publisher = ShardPublisher()
        with make(publisher, server) as first, StaticShardWatcher(publisher, [server.url]):
            first.stop()
            left[name] = len(publisher)
    promise(
        "two watchers list one shard, the first stops",
        "the shard of the other is live",
        f"live afterwards, by kind of the first: {left}",
    )
    assert left == dict.fromkeys(MAKERS, 1)


def test_a_shard_that_other_code_removed_is_live_again(
    server: RealServer, promise: Promise
) -> None:
    publisher = ShardPublisher()
    with StaticShardWatcher(publisher, [server.url]) as static:
        publisher.del_shard(server.ident)
        static.set_shards([server.url])
        promise(
            "a program removes a shard that is configured",
            "back with the next list",
            f"{len(publisher)} live after the reload",
        )
        assert server.ident in publisher
