"""Two watchers that name one shard, and a shard that somebody takes out."""

from __future__ import annotations

from tests.promises import Promise
from tests.servers import RealServer
from tests.watchers.test_contract import MAKERS
from zinfo.shards.registry import ShardPublisher
from zinfo.watchers.static import StaticShardWatcher


def test_a_shard_that_two_watchers_name_stays_when_the_first_lets_go(
    server: RealServer, promise: Promise
) -> None:
    left = {}
    for name, make in MAKERS.items():
        publisher = ShardPublisher()
        with make(publisher, server) as first, StaticShardWatcher(publisher, [server.url]):
            first.stop()
            left[name] = len(publisher)
    promise(
        "two watchers name one shard, the first lets go",
        "the next takes it over",
        f"live afterwards, by kind of the first: {left}",
    )
    assert left == dict.fromkeys(MAKERS, 1)


def test_a_shard_that_somebody_took_out_comes_back(server: RealServer, promise: Promise) -> None:
    publisher = ShardPublisher()
    with StaticShardWatcher(publisher, [server.url]) as static:
        publisher.del_shard(server.ident)
        static.set_shards([server.url])
        promise(
            "a program takes out a shard that is configured",
            "back with the next list",
            f"{len(publisher)} live after the reload",
        )
        assert server.ident in publisher
