"""The chosen sections of INFO are requested, in one INFO or in one for each section."""

from __future__ import annotations

import re
from typing import Any

import gevent
import gevent.event
import pytest
import redis

from tests.conftest import ServerFactory
from tests.gevent_side.peers import peer, read_command
from tests.gevent_side.test_handshake import add
from tests.gevent_side.test_poller import _eval
from tests.gevent_side.watching import Watch, watching
from tests.server_kinds import ServerKind
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo import RedisShard
from zinfo.info.parser import parse
from zinfo.info.section_choice import REQUIRED
from zinfo.poll.connection import InfoConnection
from zinfo.poll.limits import PollLimits
from zinfo.poll.pipelined_connection import PipelinedConnection

CHOSEN = ("memory", "clients", "commandstats", "keyspace")
TITLES = ["Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "Commandstats"]


def connection_of(watch: Watch) -> object:
    return watch.poller._states["s"].connection


def sections(shard: RedisShard) -> list[str]:
    assert shard.snapshot is not None
    return list(parse(shard.snapshot.raw).sections)


def layout(raw: bytes) -> list[bytes]:
    """The lines of a reply without their values, and without statistics, which depend on time."""
    lines = raw.split(b"\n")
    return [line.partition(b":")[0] for line in lines if not line.startswith((b"cmdstat", b"err"))]


def test_chosen_and_required_sections_are_polled_from_each_kind_of_server(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    server = server_factory(each_kind)
    server.client().set("k", "v")
    with watching() as watch:
        shard = add(watch, server.url, info=CHOSEN)
        watch.wait_polls(shard, 4)
        assert watch.types() == ["added", "up"]
        assert sections(shard) == [*TITLES, "Keyspace"]
        old = each_kind.name == "redis-6.2"
        assert type(connection_of(watch)) is (PipelinedConnection if old else InfoConnection)
        assert shard.snapshot is not None
        one_by_one = [
            server.info_text(title.lower()) for title in ("memory", "persistence", "keyspace")
        ]
        for part in one_by_one:
            assert re.search(
                rb"(^|\r\n\r\n)" + re.escape(part.partition(b":")[0]), shard.snapshot.raw
            )
        if not old:
            names = [title.lower() for title in [*TITLES, "Keyspace"]]
            whole = server.cli("INFO", *names).partition(b"\r\n")[2][:-2]
            assert layout(shard.snapshot.raw) == layout(whole)


def test_joined_replies_are_what_one_info_of_several_sections_returns(server: RealServer) -> None:
    """Redis 7 supports both; it is made to get an INFO for each section."""
    with watching() as watch:
        shard = add(watch, server.url, info=CHOSEN)
        watch.wait_polls(shard, 2)
        together = shard.snapshot
        assert together is not None
    with pytest.MonkeyPatch.context() as patch, watching() as watch:
        patch.setattr("zinfo.poll.info_request._request_together", lambda *_: None)
        shard = add(watch, server.url, info=CHOSEN)
        watch.wait_polls(shard, 4)
        assert type(connection_of(watch)) is PipelinedConnection
        assert shard.snapshot is not None
        assert layout(shard.snapshot.raw) == layout(together.raw)


@pytest.mark.parametrize(
    ("choice", "titles"),
    [("everything", {"Commandstats", "Keyspace"}), ("all", {"Commandstats"}), ("default", {"CPU"})],
)
def test_a_group_of_sections_is_polled(server: RealServer, choice: str, titles: set[str]) -> None:
    with watching() as watch:
        shard = add(watch, server.url, info=choice)
        watch.wait_polls(shard, 2)
        assert titles <= set(sections(shard))
        assert (choice == "default") != ("Commandstats" in sections(shard))


def test_an_unknown_section_is_reported_once_and_costs_nothing_else(
    each_kind: ServerKind, server_factory: ServerFactory, caplog: pytest.LogCaptureFixture
) -> None:
    server = server_factory(each_kind)
    with watching() as watch:
        for ident in ("s", "t"):
            shard = RedisShard(ident, server.url, info=["nonsense", "memory"])
            shard.MIN_POLLING_INTERVAL = shard.MAX_POLLING_INTERVAL = 0.05
            watch.publisher.add_shard(shard)
        for ident in ("s", "t"):
            event = watch.wait_for("polling_error", ident)
            assert "no section nonsense" in event.message
            assert event.new == "up"
        connects = watch.poller.stats.poll.connects
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: watch.poller.stats.poll.connects > connects, what="a new connection")
        watch.wait_polls(watch.publisher.get_shard("s"), 2)
        messages = [event.message for event in watch.events if event.shard == "s"]
        assert sum("nonsense" in message for message in messages) == 1
        assert "used_memory" in (watch.publisher.get_shard("s").info or {})
    assert sum("nonsense" in record.message for record in caplog.records) == 1


def test_a_client_of_redis_py_gets_the_sections_of_the_poller(server: RealServer) -> None:
    client = redis.Redis(port=server.port)
    with watching(limits=PollLimits(30, 30, sections=("memory",))) as watch:
        shard = watch.add(client)
        watch.wait_polls(shard, 2)
        assert sections(shard) == ["Server", "Memory", "Persistence", "Stats", "Replication"]
    client.close()


def test_an_acl_with_some_sections_is_enough(server: RealServer) -> None:
    admin = server.client()
    admin.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "+info|server", "+info|stats")
    with watching() as watch:
        shard = add(watch, server.url, username="reader", password="pw", info=["stats"])
        watch.wait_polls(shard, 2)
        assert "Stats" in sections(shard)


def test_a_busy_server_is_busy_and_then_up_over_the_same_connection(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(args=("--lua-time-limit", "50"))
    with pytest.MonkeyPatch.context() as patch, watching() as watch:
        patch.setattr("zinfo.poll.info_request._request_together", lambda *_: None)
        shard = add(watch, server.url, info=CHOSEN)
        watch.wait_polls(shard, 2)
        script = gevent.spawn(_eval, server, "while true do end")
        watch.wait_for("busy")
        server.cli("SCRIPT", "KILL")
        watch.wait_for("up", count=2)
        watch.wait_polls(shard, 2)
        script.join()
        assert watch.poller.stats.poll.connects == 1


PARTS = {
    b"server": b"# Server\r\nredis_version:5.0.0\r\nrun_id:abc\r\n",
    b"stats": b"# Stats\r\ninstantaneous_ops_per_sec:0\r\n",
    b"replication": b"# Replication\r\nrole:master\r\n",
    b"memory": b"# Memory\r\nused_memory:1\r\n",
}


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def server_with(reply_to_several: Any, commands: list[list[bytes]], parts: Any = None) -> Any:
    """Return a script of a server that replies in its own way to INFO with several sections."""
    parts = PARTS if parts is None else parts

    def script(sock: Any) -> None:
        while True:
            command = read_command(sock)
            commands.append(command)
            if command[0] != b"INFO":
                sock.sendall(b"+OK\r\n")
            elif len(command) > 2:
                sock.sendall(reply_to_several(command[1:]))
            elif len(command) == 1:
                sock.sendall(bulk(b"\r\n".join(PARTS.values())))
            else:
                reply = parts.get(command[1], b"")
                sock.sendall(reply if reply.startswith(b"-") else bulk(reply))

    return script


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(lambda names: bulk(PARTS[names[0]]), id="takes the first"),
        pytest.param(lambda names: bulk(PARTS[names[-1]]), id="takes the last"),
        pytest.param(lambda _: b"-ERR syntax error\r\n", id="syntax error"),
        pytest.param(lambda _: b"-ERR wrong number of arguments for 'info'\r\n", id="arity"),
        pytest.param(lambda _: b"$0\r\n\r\n", id="nothing"),
        pytest.param(lambda _: b"$-1\r\n", id="nil"),
    ],
)
def test_a_server_that_takes_one_section_gets_an_info_for_each(reply: Any) -> None:
    commands: list[list[bytes]] = []
    with peer(server_with(reply, commands)) as url, watching() as watch:
        shard = add(watch, url, info=["memory"])
        watch.wait_polls(shard, 3)
        assert watch.types() == ["added", "up"]
        assert sections(shard) == ["Server", "Memory", "Stats", "Replication"]
        assert (shard.run_id, shard.role) == ("abc", "master")
    several = [command for command in commands if len(command) > 2 and command[0] == b"INFO"]
    assert len(several) == 1, "asked at the handshake only"
    assert [b"INFO", b"persistence"] not in commands[-4:], "unknown sections are not polled"


def test_a_server_that_rejects_each_section_gets_a_plain_info() -> None:
    commands: list[list[bytes]] = []
    error = b"-ERR wrong number of arguments for 'info' command\r\n"
    rejecting = dict.fromkeys((*PARTS, b"persistence"), error)
    script = server_with(lambda _: error, commands, rejecting)
    with peer(script) as url, watching() as watch:
        shard = add(watch, url, info=["memory"])
        watch.wait_polls(shard, 3)
        assert commands[-1] == [b"INFO"]
        assert watch.types() == ["added", "up", "polling_error"]
        assert "takes no section" in watch.wait_for("polling_error").message


def test_a_section_that_repeats_others_is_left_out() -> None:
    commands: list[list[bytes]] = []
    parts = {**PARTS, b"whole": b"\r\n".join(PARTS.values())}
    script = server_with(lambda _: b"-ERR syntax error\r\n", commands, parts)
    with peer(script) as url, watching() as watch:
        shard = add(watch, url, info=["whole", "memory"])
        watch.wait_polls(shard, 2)
        assert sections(shard) == ["Server", "Memory", "Stats", "Replication"]
        assert shard.info is not None
        assert shard.info["used_memory"] == 1


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (bulk(b"a:1\r\n" * 4), "protocol"),
        (b"-NOAUTH Authentication required.\r\n", "auth"),
        (b"+OK\r\n", "protocol"),
    ],
)
def test_bad_replies_to_sections_are_failures(reply: bytes, reason: str) -> None:
    limits = PollLimits(30, 30, max_reply_bytes=60, sections=("memory",))

    def script(sock: Any) -> None:
        while True:
            command = read_command(sock)
            if command[0] != b"INFO":
                sock.sendall(b"+OK\r\n")
            else:
                sock.sendall(b"-ERR syntax error\r\n" if len(command) > 2 else reply)

    with peer(script) as url, watching(limits=limits) as watch:
        watch.add(url)
        assert watch.wait_for("down").reason == reason


def test_more_replies_than_requests_close_the_connection() -> None:
    polls: list[int] = []

    def script(sock: Any) -> None:
        while True:
            command = read_command(sock)
            if command[0] != b"INFO":
                sock.sendall(b"+OK\r\n")
            elif len(command) > 2:
                sock.sendall(b"-ERR syntax error\r\n")
            else:
                polls.append(1)
                more = b"$1\r\na\r\n" if len(polls) == 12 else b""
                sock.sendall(bulk(PARTS.get(command[1], b"")) + more)

    with peer(script) as url, watching() as watch:
        shard = add(watch, url, info=["memory"])
        event = watch.wait_for("polling_error")
        assert event.reason == "protocol"
        watch.wait_polls(shard, 2)
        assert "down" not in watch.types()


def test_new_sections_are_requested_over_a_new_connection_without_an_event(
    server: RealServer,
) -> None:
    with watching() as watch:
        shard = watch.add(server.url)
        own = RedisShard("own", server.url, info="all")
        watch.publisher.add_shard(own)
        watch.wait_polls(shard, 2)
        wait_until(lambda: own.revision, what="a poll")
        watch.poller.set_sections(["memory"])
        wait_until(lambda: sections(shard)[1] == "Memory", what="the new sections")
        assert set(sections(shard)) == {"Memory", *(name.capitalize() for name in REQUIRED)}
        watch.poller.set_sections("default")
        wait_until(lambda: "CPU" in sections(shard), what="the new sections")
        watch.wait_polls(shard, 2)
        assert watch.types() == ["added", "up"]
        assert watch.poller.stats.poll.connects == 4
        assert "Commandstats" in sections(own)
        wait_until(lambda: _connections(server) == 2, what="the old connections to be closed")


def _connections(server: RealServer) -> int:
    return server.cli("CLIENT", "LIST").count(b"name=zinfo")


def test_sections_that_change_during_a_handshake_apply() -> None:
    commands: list[list[bytes]] = []
    held: list[Any] = []
    go = gevent.event.Event()
    good = server_with(
        lambda _: bulk(b"\r\n".join(PARTS.values())), commands, {**PARTS, b"everything": b"a:1\r\n"}
    )

    def script(sock: Any) -> None:
        if not held:
            held.append(sock)
            go.wait()
        good(sock)

    with peer(script) as url, watching() as watch:
        shard = watch.add(url)
        wait_until(lambda: held, what="the first connection")
        watch.poller.set_sections(["memory"])
        go.set()
        wait_until(lambda: shard.info and "used_memory" in shard.info, what="the new sections")
        assert watch.types() == ["added", "up"]
    assert [b"INFO", b"everything"] in commands


def test_an_invalid_choice_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="info cannot be used"):
        RedisShard("s", "redis://127.0.0.1", info=["default", "memory"])
