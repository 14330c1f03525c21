"""A server that refuses CLIENT SETNAME is polled nevertheless, and is not asked at each connect."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import gevent
import pytest
import redis
from redis.utils import str_if_bytes

from tests.conftest import ServerFactory
from tests.gevent_side.peers import BULK, handshake, peer, read_command
from tests.gevent_side.test_handshake import add
from tests.gevent_side.watching import Watch, watching
from tests.server_kinds import ServerKind
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.info.parser import parse
from zinfo.poll.client_name import RETRY_DELAY, ClientNaming
from zinfo.poll.limits import PollLimits


def reconnect(watch: Watch, server: RealServer, count: int) -> None:
    """Close zinfo's connection `count` times, each time after it has polled again."""
    stats = watch.poller.stats.poll
    for goal in range(stats.connects + 1, stats.connects + count + 1):
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(partial(_has_connects, watch, goal), what="a new connection")


def _has_connects(watch: Watch, goal: int) -> bool:
    return watch.poller.stats.poll.connects >= goal


def test_a_user_with_info_alone_is_enough_and_the_acl_log_has_one_entry(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    server = server_factory(each_kind)
    admin = server.client()
    admin.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "-@all", "+info")
    with watching() as watch:
        shard = add(watch, server.url, username="reader", password="pw")
        watch.wait_polls(shard, 3)
        reconnect(watch, server, 3)
        watch.wait_polls(shard, 2)
        assert "down" not in watch.types()
    log: Any = admin.acl_log()
    (entry,) = [{str_if_bytes(name): str_if_bytes(one[name]) for name in one} for one in log]
    assert entry["object"].startswith("client")  # "client|setname" from Redis 7 on
    assert int(entry["count"]) == 1


def test_a_server_whose_client_command_is_renamed_is_polled_and_asked_once(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    server = server_factory(each_kind, args=("--rename-command", "CLIENT", ""))
    with watching() as watch:
        shard = add(watch, server.url)
        watch.wait_polls(shard, 3)
        assert watch.types() == ["added", "up"]
        (error,) = parse(server.cli("INFO", "errorstats")).fields.values()
        assert error == {"count": 1}


def test_a_pool_and_a_client_are_polled_without_the_command_too(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(args=("--rename-command", "CLIENT", ""))
    client = redis.Redis(port=server.port, client_name="mine")
    with watching() as watch:
        watch.wait_polls(watch.add(client), 3)
    client.close()


def test_a_pool_with_a_database_and_resp_3_sends_only_the_name_and_info() -> None:
    commands: list[list[bytes]] = []
    with peer(script(b"+OK\r\n", commands)) as url, watching() as watch:
        client = redis.Redis.from_url(f"{url}/3", client_name="mine", protocol=3)
        watch.wait_polls(watch.add(client), 2)
        client.close()
    assert commands[0] == [b"CLIENT", b"SETNAME", b"zinfo"]
    assert {words[0] for words in commands[1:]} == {b"INFO"}


def script(reply: bytes | None, commands: list[list[bytes]]) -> Any:
    """Return a script that replies to CLIENT with `reply`, or closes the connection if it is None.

    INFO gets a good reply. `commands` receives all commands.
    """

    def serve(sock: Any) -> None:
        while True:
            commands.append(read_command(sock))
            if commands[-1][0] == b"INFO":
                sock.sendall(BULK)
            elif reply is None:
                sock.close()
                return
            else:
                sock.sendall(reply)

    return serve


@pytest.mark.parametrize(
    "reply",
    [
        b"-ERR wrong number of arguments for 'client' command\r\n",
        b"-ERR Syntax error, try CLIENT (LIST | KILL ip:port)\r\n",  # Redis 2.4
        b"-LOADING Redis is loading the dataset in memory\r\n",  # Redis 5
        b"-BUSY Redis is busy running a script.\r\n",
        b"-NOPERM this user has no permissions\r\n",
        b":0\r\n",
        b"$-1\r\n",
    ],
)
def test_any_reply_to_client_is_accepted(reply: bytes) -> None:
    commands: list[list[bytes]] = []
    with peer(script(reply, commands)) as url, watching() as watch:
        watch.wait_polls(watch.add(url), 3)
        assert watch.types() == ["added", "up"]
    assert [words[0] for words in commands[:3]] == [b"CLIENT", b"INFO", b"INFO"]


def test_a_server_that_closes_on_client_is_polled_over_a_second_connection() -> None:
    commands: list[list[bytes]] = []
    with peer(script(None, commands)) as url, watching() as watch:
        watch.wait_polls(watch.add(url), 3)
        assert watch.types() == ["added", "up"]
    assert [words[0] for words in commands].count(b"CLIENT") == 1


def test_a_server_that_never_replies_to_client_is_polled_at_the_next_attempt() -> None:
    def silent(sock: Any) -> None:
        while read_command(sock)[0] == b"INFO":
            sock.sendall(BULK)
        gevent.sleep(300)

    limits = PollLimits(timeout=0.3, connect_timeout=30)
    with peer(silent) as url, watching(limits=limits) as watch:
        watch.add(url)
        assert watch.wait_for("down").reason == "timeout"
        watch.wait_for("up")


def test_a_killed_server_does_not_lose_its_name() -> None:
    numbers, commands = itertools.count(), list[list[bytes]]()
    good = script(b"+OK\r\n", commands)

    def dying_first(sock: Any) -> None:
        if next(numbers) < 2:  # with and without the name
            handshake(sock)
            sock.close()
        else:
            good(sock)

    with peer(dying_first) as url, watching() as watch:
        watch.wait_polls(watch.add(url), 2)
        assert watch.types() == ["added", "down", "up"]
    assert commands[0][0] == b"CLIENT"


@pytest.mark.parametrize("line", [b"-ERR max number of clients reached", b"-DENIED protected mode"])
def test_a_server_that_refuses_the_connection_says_why(line: bytes) -> None:
    accepted: list[int] = []

    def refuse(sock: Any) -> None:
        accepted.append(1)
        sock.sendall(line + b"\r\n")
        sock.close()

    with peer(refuse) as url, watching(max_backoff=60) as watch:
        shard = watch.add(url, MIN_POLLING_INTERVAL=60, MAX_POLLING_INTERVAL=60)
        assert watch.wait_for("down").reason == "refused"
        assert line.decode().partition(" ")[2] in shard.last_error
        assert len(accepted) == 1


def test_a_refused_name_is_tried_again_after_the_delay() -> None:
    naming = ClientNaming()
    assert naming.wanted(1000.0)
    naming.on_refused(1000.0)
    naming.on_info(1000.0)
    assert not naming.wanted(1000.0 + RETRY_DELAY - 1)
    assert naming.wanted(1000.0 + RETRY_DELAY)


def test_a_server_that_knows_no_users_is_not_sent_the_password_alone() -> None:
    commands: list[list[bytes]] = []

    def before_redis_6(sock: Any) -> None:
        while True:
            commands.append(read_command(sock))
            sock.sendall(
                b"-ERR wrong number of arguments for 'auth' command\r\n"
                if len(commands[-1]) == 3
                else b"+OK\r\n"
            )

    with peer(before_redis_6) as url, watching(max_backoff=60) as watch:
        shard = add(watch, url, username="zinfo", password="s3cret")
        assert watch.wait_for("down").reason == "auth"
        assert "before Redis 6" in shard.last_error
    assert all(len(command) == 3 for command in commands)
