"""The contract of every watcher: its shards are live while it lists them, also beside others."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
import pytest

from tests.discovery.test_local import INTERVAL, Processes, Watcher
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.discovery.shard_spec import ShardSpec
from zinfo.discovery.source_watcher import SourceWatcher
from zinfo.discovery.static import StaticShardWatcher
from zinfo.discovery.target import Target
from zinfo.discovery.watcher import ShardWatcher
from zinfo.errors import ShardExistsError
from zinfo.loop.yielding import CooperativeYield
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.registry import ShardEvent, ShardPublisher
from zinfo.shards.shard import RedisShard

URL = "redis://127.0.0.1:1"


class OwnWatcher(ShardWatcher):
    """A watcher as a user's program may have one; it lists one shard."""

    def __init__(self, publisher: ShardPublisher, server: RealServer) -> None:
        super().__init__(publisher)
        self._server = server

    def start(self) -> None:
        with contextlib.suppress(ShardExistsError):
            self.add(RedisShard(self._server.ident, self._server.url))


class OwnSource(SourceWatcher):
    """A watcher of a user's program that only lists its shards."""

    def __init__(self, publisher: ShardPublisher, server: RealServer) -> None:
        super().__init__(publisher, interval=INTERVAL)
        self._server = server

    def start(self) -> None:
        super().start()
        wait_until(lambda: not self.waiting_sources(), what="the first read", sleep=gevent.sleep)

    def read(self) -> dict[str, str | Target]:
        return {self._server.ident: self._server.url}


def local(publisher: ShardPublisher, server: RealServer) -> ShardWatcher:
    processes = Processes()
    processes.servers.append(server)
    return Watcher(publisher, processes, interval=INTERVAL)


MAKERS: dict[str, Callable[[ShardPublisher, RealServer], ShardWatcher]] = {
    "static": lambda publisher, server: StaticShardWatcher(publisher, [server.url]),
    "local": local,
    "own": OwnWatcher,
    "source": OwnSource,
}


@pytest.mark.parametrize(("one", "other"), list(itertools.product(MAKERS, MAKERS)))
def test_when_a_watcher_stops_the_next_that_lists_the_shard_gets_the_id(
    one: str, other: str, server: RealServer
) -> None:
    publisher = ShardPublisher()
    first, second = (MAKERS[name](publisher, server) for name in (one, other))
    with first:
        with second:
            assert (set(first.shards), set(second.shards)) == ({server.ident}, set())
            assert publisher.get_shard(server.ident) is first.shards[server.ident]
            first.stop()
            assert publisher.get_shard(server.ident) is second.shards[server.ident]
            assert first.shards == {}
            first.start()
            assert publisher.get_shard(server.ident) is second.shards[server.ident]
        assert publisher.get_shard(server.ident) is first.shards[server.ident]
    assert len(publisher) == 0


@pytest.mark.parametrize("kind", MAKERS)
def test_a_watcher_that_no_longer_lists_a_shard_does_not_get_its_id(
    kind: str, server: RealServer
) -> None:
    publisher = ShardPublisher()
    publisher.add_shard(RedisShard(server.ident, URL))
    with MAKERS[kind](publisher, server) as watcher:
        assert watcher.shards == {}
    publisher.del_shard(server.ident)
    assert len(publisher) == 0


def test_a_process_that_has_ended_does_not_get_the_id(server: RealServer) -> None:
    publisher, processes = ShardPublisher(), Processes()
    processes.servers.append(server)
    publisher.add_shard(RedisShard(server.ident, URL))
    with Watcher(publisher, processes, interval=INTERVAL) as watcher:
        processes.servers.clear()
        processes.wait_for_scans()
        publisher.del_shard(server.ident)
        assert watcher.shards == {}


def test_a_shard_removed_by_other_code_is_live_again_after_the_next_list_or_scan(
    server: RealServer,
) -> None:
    publisher = ShardPublisher()
    with StaticShardWatcher(publisher, [server.url]) as static:
        publisher.del_shard(server.ident)
        static.set_shards([server.url])
        assert publisher.get_shard(server.ident) is static.shards[server.ident]
    with local(publisher, server):
        publisher.del_shard(server.ident)
        wait_until(lambda: server.ident in publisher, what="the shard", sleep=gevent.sleep)


def test_a_shard_that_other_code_added_under_the_id_stays_until_it_is_removed() -> None:
    publisher = ShardPublisher()
    foreign = RedisShard("a", URL)
    spec = ShardSpec(ConnectionOptions(url=URL), id="a")
    with StaticShardWatcher(publisher, [spec]) as static:
        publisher.del_shard("a")
        publisher.add_shard(foreign)
        static.set_shards([spec])
        assert publisher.get_shard("a") is foreign
        publisher.del_shard("a")
        assert publisher.get_shard("a") is static.shards["a"]
        static.set_shards([])
        assert "a" not in publisher


def _record(seen: list[str], kind: ShardEvent, _shard: RedisShard) -> None:
    seen.append(kind.value)


def test_other_credentials_change_in_place() -> None:
    publisher = ShardPublisher()
    seen: list[str] = []
    for kind in ShardEvent:
        publisher.subscribe_shard_event(kind, partial(_record, seen, kind))
    specs = [ShardSpec(ConnectionOptions(url=URL, username=name), id="a") for name in ("x", "y")]
    with StaticShardWatcher(publisher, specs[:1]) as first:
        shard = publisher.get_shard("a")
        first.set_shards(specs[1:])
        assert publisher.get_shard("a") is first.shards["a"] is shard
        assert shard.redis_conn.username == "y"
    assert seen == ["added", "connection_changed", "removed"]


def test_a_shard_that_makes_connections_of_its_own_is_replaced_for_other_credentials() -> None:
    class OwnConnections(RedisShard):
        def __init__(self, ident: object, options: ConnectionOptions) -> None:
            super().__init__(ident, lambda: options)  # stands for a client made from the options

    publisher = ShardPublisher()
    specs = [ShardSpec(ConnectionOptions(url=URL, username=name), id="a") for name in ("x", "y")]
    with StaticShardWatcher(publisher, specs[:1], shard_class=OwnConnections) as static:
        before = publisher.get_shard("a")
        static.set_shards(specs[1:])
        assert publisher.get_shard("a") is not before
        assert publisher.get_shard("a").redis_conn().username == "y"


def test_a_shard_that_waits_for_its_id_has_the_credentials_of_the_newest_list() -> None:
    publisher = ShardPublisher()
    specs = [ShardSpec(ConnectionOptions(url=URL, username=name), id="a") for name in ("x", "y")]
    first = StaticShardWatcher(publisher, specs[:1])
    with first, StaticShardWatcher(publisher, specs[:1]) as waiting:
        waiting.set_shards(specs[1:])
        assert publisher.get_shard("a").redis_conn.username == "x"
        first.stop()
        assert publisher.get_shard("a").redis_conn.username == "y"


def test_another_address_makes_a_new_shard_and_the_id_stays_with_its_watcher() -> None:
    publisher = ShardPublisher()
    seen: list[str] = []
    publisher.subscribe_shard_event(ShardEvent.ADDED, lambda _shard: seen.append("added"))
    publisher.subscribe_shard_event(ShardEvent.REMOVED, lambda _shard: seen.append("removed"))
    urls = ("redis://127.0.0.1:1", "redis://127.0.0.1:2")
    specs = [ShardSpec(ConnectionOptions(url=url), id="a") for url in urls]
    first = StaticShardWatcher(publisher, specs[:1])
    with first, StaticShardWatcher(publisher, specs[:1]) as second:
        before = publisher.get_shard("a")
        first.set_shards(specs[1:])
        assert publisher.get_shard("a") is first.shards["a"] is not before
        assert publisher.get_shard("a").redis_conn.url == urls[1]
        assert second.shards == {}
    assert seen == ["added", "removed"] * 2


def test_a_shard_that_waits_for_its_id_has_the_labels_of_the_newest_list() -> None:
    publisher = ShardPublisher()
    options = ConnectionOptions(url=URL)
    with StaticShardWatcher(publisher, [ShardSpec(options, id="a")]) as first:
        waiting = StaticShardWatcher(publisher, [ShardSpec(options, id="a", labels={"n": "1"})])
        with waiting:
            waiting.set_shards([ShardSpec(options, id="a", labels={"n": "2"})])
            first.stop()
            assert publisher.get_shard("a").labels == {"n": "2"}


def test_all_subscribers_get_the_removal_before_the_next_shard_is_added() -> None:
    publisher = ShardPublisher()
    seen: list[str] = []
    with StaticShardWatcher(publisher, [URL]) as first, StaticShardWatcher(publisher, [URL]):
        publisher.subscribe_shard_event(ShardEvent.ADDED, lambda _: seen.append("added"))
        for _ in range(3):
            publisher.subscribe_shard_event(ShardEvent.REMOVED, lambda _: seen.append("removed"))
        first.stop()
        assert seen == ["removed", "removed", "removed", "added"]


def test_a_claim_that_raises_leaves_the_id_to_the_next_claim() -> None:
    publisher = ShardPublisher()
    publisher.add_shard(RedisShard("a", URL))

    def fails(_ident: str) -> None:
        raise RuntimeError("not now")

    publisher.claim("a", fails)
    publisher.claim("a", lambda ident: publisher.add_shard(RedisShard(ident, URL)))
    publisher.claim("a", fails)
    publisher.del_shard("a")
    assert "a" in publisher
    assert publisher.callback_errors == 1
    publisher.clear_shards()
    assert len(publisher) == 0
    assert publisher.callback_errors == 1


class Yields:
    """Replaces `CooperativeYield.maybe_yield`; counts the calls and runs `then` in each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.then: Callable[[], Any] = lambda: None

        def maybe_yield(_yielder: CooperativeYield) -> None:
            self.count += 1
            self.then()

        monkeypatch.setattr(CooperativeYield, "maybe_yield", maybe_yield)


def specs(count: int, name: str = "a", **more: Any) -> list[ShardSpec]:
    options = ConnectionOptions(url=URL)
    return [ShardSpec(options, id=f"{name}{number}", **more) for number in range(count)]


def test_a_long_list_yields_between_any_two_shards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher, yields = ShardPublisher(), Yields(monkeypatch)
    sizes: list[int] = []
    yields.then = lambda: sizes.append(len(publisher))
    with StaticShardWatcher(publisher, specs(50)) as static:
        for following in (specs(50), specs(50, labels={"n": "1"}), specs(50, "b")):
            yields.count = 0
            sizes[:] = [len(publisher)]
            static.set_shards(iter(following))
            assert yields.count >= 100  # once for each spec, and once for each change
            assert max(abs(b - a) for a, b in itertools.pairwise(sizes)) <= 1
        assert publisher.get_live_shard_ids() == {f"b{number}" for number in range(50)}


@pytest.mark.parametrize("moment", [10, 60, 90])
def test_the_latest_list_replaces_one_that_is_still_being_applied(
    moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher, yields = ShardPublisher(), Yields(monkeypatch)
    with StaticShardWatcher(publisher) as static:

        def interrupt() -> None:
            if yields.count == moment:
                static.set_shards(specs(3, "b"))

        yields.then = interrupt
        static.set_shards(specs(50))
        assert publisher.get_live_shard_ids() == {"b0", "b1", "b2"} == set(static.shards)


def test_a_watcher_that_is_stopped_while_it_starts_adds_no_more_shards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher, yields = ShardPublisher(), Yields(monkeypatch)
    static = StaticShardWatcher(publisher, specs(50))

    def interrupt() -> None:
        if yields.count == 60:
            static.stop()

    yields.then = interrupt
    static.start()
    assert len(publisher) == 0
