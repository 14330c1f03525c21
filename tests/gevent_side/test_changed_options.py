"""The connection options of a live shard change in place: `ShardPublisher.set_connection`."""

from __future__ import annotations

from typing import Any

import gevent
import gevent.event
import pytest

from tests.conftest import ServerFactory
from tests.gevent_side.peers import BULK, handshake, peer, read_command
from tests.gevent_side.watching import Watch, watching
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo import RedisShard
from zinfo.poll.limits import PollLimits
from zinfo.shards.connection_options import ConnectionOptions


def change(watch: Watch, shard: RedisShard, **options: Any) -> None:
    new = ConnectionOptions(url=shard.redis_conn.url, **options)
    watch.publisher.set_connection(shard.id, new)


def users(server: RealServer) -> list[str]:
    """The users of zinfo's connections to the server."""
    lines = server.cli("CLIENT", "LIST").decode().splitlines()
    return [line.partition(" user=")[2].split()[0] for line in lines if "name=zinfo" in line]


@pytest.fixture
def protected(server_factory: ServerFactory) -> RealServer:
    """A server with two users, one and two."""
    server = server_factory(password="root")
    for name in ("one", "two"):
        server.client().execute_command(
            "ACL", "SETUSER", name, "on", f">{name}", "+info", "+client|setname"
        )
    return server


def test_an_open_connection_stays_and_the_next_one_has_the_new_credentials(
    protected: RealServer,
) -> None:
    with watching() as watch:
        shard = watch.add(ConnectionOptions(url=protected.url, username="one", password="one"))
        watch.wait_polls(shard, 2)
        change(watch, shard, username="two", password="two")
        watch.wait_polls(shard, 3)
        assert users(protected) == ["one"]
        assert watch.poller.stats.poll.connects == 1
        protected.client().execute_command("CLIENT", "KILL", "USER", "one")
        wait_until(lambda: users(protected) == ["two"], what="the other user", sleep=gevent.sleep)
        watch.wait_polls(shard, 2)
        assert watch.types() == ["added", "up", "polling_error"]  # the killed connection


def test_a_shard_that_is_down_is_tried_at_once_with_new_credentials(protected: RealServer) -> None:
    with watching(max_backoff=10_000) as watch:
        shard = watch.add(
            ConnectionOptions(url=protected.url, password="wrong"), MIN_POLLING_INTERVAL=10_000
        )
        watch.wait_for("down")
        shard.MIN_POLLING_INTERVAL = 0.05
        change(watch, shard, username="one", password="one")
        watch.wait_for("up")
        assert watch.types() == ["added", "down", "up"]


def test_a_change_during_a_failing_connect_leads_to_another_one() -> None:
    passwords: list[bytes] = []
    asked, answer = gevent.event.Event(), gevent.event.Event()

    def refuse_first(sock: Any) -> None:
        command = read_command(sock)
        passwords.append(command[-1])
        if len(passwords) == 1:
            asked.set()
            answer.wait()
            sock.sendall(b"-WRONGPASS invalid username-password pair\r\n")
            return
        sock.sendall(b"+OK\r\n")
        handshake(sock)
        while True:
            sock.sendall(BULK)
            read_command(sock)

    with peer(refuse_first) as url, watching(max_backoff=10_000) as watch:
        shard = watch.add(ConnectionOptions(url=url, password="old"), MIN_POLLING_INTERVAL=0.05)
        assert asked.wait(30)
        change(watch, shard, password="new")
        answer.set()
        watch.wait_for("up")
        assert passwords == [b"old", b"new"]
        assert watch.types() == ["added", "up"]  # the old password is no failure of the new one


@pytest.mark.parametrize(
    ("options", "renewed"),
    [
        ({"password": "x"}, False),
        ({"ca_file": "/none"}, False),
        ({"timeout": 20.0, "connect_timeout": 20.0}, False),
        ({"info": ("memory",)}, True),
        ({"tls_verify": False}, True),
        ({"check_hostname": False}, True),
        ({"tls_server_name": "other"}, True),
    ],
)
def test_only_sections_and_rules_for_the_server_need_a_new_connection(
    server: RealServer, options: dict[str, Any], renewed: bool
) -> None:
    with watching() as watch:
        shard = watch.add(ConnectionOptions(url=server.url))
        watch.wait_polls(shard, 2)
        change(watch, shard, **options)
        watch.wait_polls(shard, 3)
        assert watch.poller.stats.poll.connects == 1 + renewed
        assert watch.types() == ["added", "up"]


def test_a_change_of_the_rules_during_a_connect_discards_its_connection() -> None:
    connections: list[Any] = []
    asked, answer = gevent.event.Event(), gevent.event.Event()

    def serve(sock: Any) -> None:
        connections.append(sock)
        handshake(sock)
        asked.set()
        answer.wait()
        while True:
            sock.sendall(BULK)
            read_command(sock)

    with peer(serve) as url, watching() as watch:
        shard = watch.add(ConnectionOptions(url=url))
        assert asked.wait(30)
        change(watch, shard, tls_server_name="other")
        answer.set()
        watch.wait_polls(shard, 2)
        assert len(connections) == 2
        assert watch.types() == ["added", "up"]


def test_a_shorter_timeout_holds_for_the_open_connection() -> None:
    def reply_once(sock: Any) -> None:
        handshake(sock)
        sock.sendall(BULK)
        read_command(sock)
        sock.sendall(BULK)
        while True:
            read_command(sock)

    limits = PollLimits(timeout=10_000, connect_timeout=30)
    with peer(reply_once) as url, watching(limits=limits) as watch:
        shard = watch.add(ConnectionOptions(url=url))
        watch.wait_polls(shard, 2)
        change(watch, shard, timeout=0.2)
        assert watch.wait_for("down").reason == "timeout"


def test_the_address_follower_has_nothing_of_a_shard_that_was_changed_and_removed(
    server: RealServer,
) -> None:
    url = f"redis://localhost:{server.port}"
    with watching() as watch:
        shard = watch.add(ConnectionOptions(url=url))
        watch.wait_polls(shard, 2)
        names = watch.poller._follower._watch._names
        assert list(names) == ["localhost"]
        changed = ConnectionOptions(url=f"redis://user:pass@LOCALHOST:{server.port}/3")
        watch.publisher.set_connection(shard.id, changed)
        watch.publisher.del_shard(shard.id)
        assert not names


def test_a_poller_that_was_stopped_ignores_changes(server: RealServer) -> None:
    with watching() as watch:
        shard = watch.add(ConnectionOptions(url=server.url))
        watch.wait_polls(shard, 2)
        watch.poller.stop()
        change(watch, shard, info="all")
        assert watch.publisher.callback_errors == 0
