"""A shard whose host name gets another address is connected to it, without being down."""

from __future__ import annotations

import _socket
import logging
import socket
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.event
import pytest
import redis

from tests.conftest import ServerFactory
from tests.gevent_side.peers import BULK, handshake, peer
from tests.gevent_side.watching import watching
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo import RedisShard
from zinfo.poll import address_watch
from zinfo.poll.limits import PollLimits
from zinfo.poll.poll_state import ShardPollState

OLD, NEW = "127.0.0.1", "127.0.0.2"
EVERY = 0.2
"""Seconds between two lookups of a name."""


class NameServer:
    """The answers of the system to lookups of names under .test; called in threads.

    Attributes:
        answers: addresses by name; a name without one is unknown.
        lookups: the names that were looked up.
        held: lookups wait until it is set.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
        self.lookups: list[str] = []
        self.running = self.most_running = 0
        self._look_up = _socket.getaddrinfo
        self.release = gevent.monkey.get_original("threading", "Event")()
        self.release.set()

    def look_up(self, host: Any, *args: Any) -> Any:
        """Stand in for the system's function."""
        if not str(host).endswith(".test"):
            return self._look_up(host, *args)
        self.lookups.append(host)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.release.wait()
        self.running -= 1
        addresses = self.answers.get(host, [])
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [entry for address in addresses for entry in self._look_up(address, *args)]

    def wait_lookups(self, more: int = 4) -> None:
        """Wait for further lookups."""
        goal = len(self.lookups) + more
        wait_until(lambda: len(self.lookups) >= goal, what=f"{goal} lookups")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    made = NameServer()
    monkeypatch.setattr(_socket, "getaddrinfo", made.look_up)
    yield made
    made.release.set()


@pytest.fixture
def pair(server_factory: ServerFactory) -> tuple[RealServer, RealServer]:
    """Two servers at the same port of two addresses."""
    old = server_factory(host=OLD)
    return old, server_factory(host=NEW, port=old.port)


def clients(server: RealServer) -> int:
    """Return how many connections of zinfo a server has."""
    return server.cli("CLIENT", "LIST").count(b"name=zinfo")


def process(shard: RedisShard) -> object:
    return shard.info and shard.info["process_id"]


def wait_server(shards: RedisShard | list[RedisShard], server: RealServer) -> None:
    """Wait until the newest INFO of each shard is that of a server."""
    several = shards if isinstance(shards, list) else [shards]
    wait_until(
        lambda: all(process(shard) == server.pid for shard in several),
        what=f"polls of process {server.pid}",
    )


def wait_polls(shards: list[RedisShard], more: int) -> None:
    """Wait until each shard was polled `more` times from now on."""
    goals = [(shard, shard.revision + more) for shard in shards]
    wait_until(lambda: all(shard.revision >= goal for shard, goal in goals), what=f"{more} polls")


def test_a_failover_by_dns_is_followed_although_the_old_server_lives(
    pair: tuple[RealServer, RealServer], names: NameServer
) -> None:
    old, new = pair
    names.answers["db.test"] = [OLD]
    with watching(resolve_every=EVERY) as watch:
        shard = watch.add(f"redis://DB.test:{old.port}")
        wait_server(shard, old)
        names.answers["db.test"] = [NEW]
        wait_server(shard, new)
        assert watch.types() == ["added", "up", "polling_error", "restarted"]
        event = watch.wait_for("polling_error")
        assert event.reason == "dns"
        assert event.message == (
            f"db.test no longer has the address {OLD}, but {NEW}; connected again"
        )
        assert (shard.state, shard.last_error) == ("up", "")
        wait_until(lambda: clients(old) == 0, what="the old connection to be closed")
        assert clients(new) == 1
        watch.wait_polls(shard, 5)
        names.wait_lookups()
        assert watch.poller.stats.poll.connects == 2


def test_a_client_object_of_the_user_is_followed_too(
    pair: tuple[RealServer, RealServer], names: NameServer
) -> None:
    old, new = pair
    names.answers["db.test"] = [OLD]
    with watching(resolve_every=EVERY) as watch:
        shard = watch.add(redis.Redis(host="db.test", port=old.port))
        wait_server(shard, old)
        names.answers["db.test"] = [NEW]
        wait_server(shard, new)


def test_with_0_a_name_is_looked_up_only_to_connect(
    pair: tuple[RealServer, RealServer], names: NameServer
) -> None:
    old, new = pair
    names.answers["db.test"] = [OLD]
    with watching(resolve_every=0) as watch:
        shard = watch.add(f"redis://db.test:{old.port}")
        wait_server(shard, old)
        names.answers["db.test"] = [NEW]
        watch.wait_polls(shard, 5)
        assert names.lookups == ["db.test"]
        old.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_server(shard, new)
        assert names.lookups == ["db.test", "db.test"]
        assert "down" not in watch.types()


@pytest.mark.parametrize("answer", [[OLD, NEW], [NEW, OLD]])
def test_a_connection_stays_while_its_address_is_among_the_others(
    pair: tuple[RealServer, RealServer], names: NameServer, answer: list[str]
) -> None:
    old, _ = pair
    names.answers["db.test"] = [OLD]
    with watching(resolve_every=EVERY) as watch:
        shard = watch.add(f"redis://db.test:{old.port}")
        wait_server(shard, old)
        names.answers["db.test"] = answer
        names.wait_lookups()
        assert process(shard) == old.pid
        assert watch.poller.stats.poll.connects == 1


def test_a_lookup_that_fails_changes_nothing_and_is_logged_once(
    pair: tuple[RealServer, RealServer], names: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = pair
    names.answers |= {"db.test": [OLD], "more.test": [OLD]}
    caplog.set_level(logging.INFO)
    with watching(resolve_every=EVERY) as watch:
        shards = [watch.add(f"redis://{name}:{old.port}", name) for name in list(names.answers)]
        wait_server(shards, old)
        names.answers.clear()
        names.wait_lookups(8)
        assert watch.types("db.test") == ["added", "up"]
        names.answers |= {"db.test": [NEW], "more.test": [OLD]}
        wait_server(shards[0], new)
        wait_until(lambda: "can be looked up again" in caplog.text, what="the recovery in the log")
        assert caplog.text.count("cannot look") == 1
        assert not watch.poller.stats.faults


def test_a_new_address_without_a_server_costs_nothing(
    server_factory: ServerFactory, names: NameServer
) -> None:
    old = server_factory(host=OLD)
    names.answers["db.test"] = [OLD]
    with watching(resolve_every=EVERY) as watch:
        shard = watch.add(f"redis://db.test:{old.port}")
        wait_server(shard, old)
        names.answers["db.test"] = [NEW]
        event = watch.wait_for("polling_error")
        assert event.reason == "dns"
        assert f"db.test no longer has the address {OLD}; a new connection failed" in event.message
        assert event.message.endswith("the old one stays")
        names.wait_lookups()
        watch.wait_polls(shard)
        assert watch.types() == ["added", "up", "polling_error"]
        assert (shard.state, process(shard)) == ("up", old.pid)
        wait_server(shard, server_factory(host=NEW, port=old.port))


def test_the_shards_of_a_name_share_its_lookups(
    pair: tuple[RealServer, RealServer], names: NameServer
) -> None:
    old, new = pair
    names.answers["db.test"] = [OLD]
    with watching(resolve_every=EVERY) as watch:
        shards = [watch.add(f"redis://db.test:{old.port}", f"s{n}") for n in range(20)]
        wait_server(shards, old)
        names.lookups.clear()
        names.answers["db.test"] = [NEW]
        names.release.clear()
        wait_until(lambda: names.running == 1, what="a lookup")
        watch.wait_polls(shards[0], 10)  # half a second, in which others could begin
        assert names.running == 1
        names.release.set()
        wait_server(shards, new)
        assert "down" not in {event.type for event in watch.events}
        wait_until(lambda: clients(old) == 0, what="the old connections to be closed")


def test_lookups_that_hang_are_few_at_a_time_and_block_no_poll(
    server: RealServer, names: NameServer
) -> None:
    names.answers |= {f"db-{n}.test": [OLD] for n in range(40)}
    with watching(resolve_every=EVERY) as watch:
        shards = [watch.add(f"redis://{name}:{server.port}", name) for name in list(names.answers)]
        wait_polls(shards, 2)
        names.most_running = 0
        names.release.clear()
        wait_until(lambda: names.running == address_watch._MAX_LOOKUPS, what="hanging lookups")
        wait_polls(shards, 5)
        assert names.most_running == address_watch._MAX_LOOKUPS
        names.release.set()
        names.wait_lookups(40)
        assert {event.type for event in watch.events} == {"added", "up"}


def test_a_shard_that_is_removed_is_not_looked_up_any_more(
    server: RealServer, names: NameServer
) -> None:
    names.answers |= {"db.test": [OLD], "other.test": [OLD]}
    with watching(resolve_every=EVERY) as watch:
        for name in list(names.answers):
            watch.wait_polls(watch.add(f"redis://{name}:{server.port}", name))
        watch.publisher.del_shard("db.test")
        names.wait_lookups(2)  # one of the name may have begun
        names.lookups.clear()
        names.wait_lookups(4)
        assert set(names.lookups) == {"other.test"}
    names.lookups.clear()


def test_a_shard_removed_while_it_is_moved_leaves_no_connection(
    server: RealServer, names: NameServer
) -> None:
    requested, removed, closed = (gevent.event.Event() for _ in range(3))

    def script(sock: Any) -> None:
        handshake(sock)
        requested.set()
        removed.wait()
        sock.sendall(BULK)
        if not sock.recv(1):
            closed.set()

    names.answers["db.test"] = [OLD]
    with peer(script, host=NEW, port=server.port), watching(resolve_every=EVERY) as watch:
        watch.wait_polls(watch.add(f"redis://db.test:{server.port}"))
        names.answers["db.test"] = [NEW]
        assert requested.wait(60)
        watch.publisher.del_shard("s")
        removed.set()
        assert closed.wait(60)
        assert watch.types() == ["added", "up", "removed"]


def test_a_connection_that_ends_while_the_shard_is_moved_is_replaced_once(
    server: RealServer, names: NameServer
) -> None:
    requested, resume = gevent.event.Event(), gevent.event.Event()
    states: list[ShardPollState] = []

    def script(sock: Any) -> None:
        handshake(sock)
        first = not requested.is_set()
        requested.set()
        if first:
            resume.wait()
        sock.sendall(BULK)
        while sock.recv(100):
            sock.sendall(BULK)

    names.answers["db.test"] = [OLD]
    limits = PollLimits(timeout=30, connect_timeout=30)
    with (
        peer(script, host=NEW, port=server.port),
        watching(resolve_every=EVERY, limits=limits) as watch,
    ):
        shard = watch.add(f"redis://db.test:{server.port}")
        watch.wait_polls(shard)
        names.answers["db.test"] = [NEW]
        assert requested.wait(60)
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: shard.info is not None and "run_id" in shard.info, what="INFO")
        wait_until(lambda: watch.types().count("polling_error") == 1, what="the reconnect")
        resume.set()
        watch.wait_polls(shard, 5)
        names.wait_lookups()
        states.extend(watch.poller._states.values())
        assert states[0].connection is not None
        assert "down" not in watch.types()
        assert watch.poller.stats.poll.connects == 2
