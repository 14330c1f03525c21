"""A source's questions to one server: their bounds, errors and secrets, and many at once."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import gevent
import pytest

from tests.conftest import ServerFactory
from tests.gevent_side.peers import peer, read_command, say
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.discovery.server_query import QueryLimits, ServerQuery, ServerQueryError, query_all
from zinfo.errors import SourceError
from zinfo.poll.errors import AUTH, NOPERM, OTHER, PROTOCOL, REFUSED, TIMEOUT, TLS
from zinfo.shards.connection_options import ConnectionOptions

LIMITS = QueryLimits(timeout=30)


def ask(url: str, *command: str, limits: QueryLimits = LIMITS, **options: Any) -> Any:
    with ServerQuery(ConnectionOptions(url=url, **options), limits) as query:
        return query.run(*command)


def failure(
    url: str, *command: str, limits: QueryLimits = LIMITS, **options: Any
) -> ServerQueryError:
    with pytest.raises(ServerQueryError) as caught:
        ask(url, *(command or ("PING",)), limits=limits, **options)
    return caught.value


def test_a_real_server_replies_to_commands(server_factory: ServerFactory) -> None:
    with (
        server_factory() as server,
        ServerQuery(
            ConnectionOptions(url=server.url.replace("127.0.0.1", "localhost")), LIMITS
        ) as query,
    ):
        assert query.peer_host == "127.0.0.1"
        assert query.run("PING") == b"PONG"
        assert query.run("COMMAND", "GETKEYS", "MGET", "a", "b") == [b"a", b"b"]
        assert query.run("DBSIZE") == 0
        assert query.run("GET", "a") is None
        assert query.run_together([]) == []
        pong, error, size = query.run_together([("PING",), ("NO",), ("DBSIZE",)])
        assert (pong, size) == (b"PONG", 0)
        assert isinstance(error, ServerQueryError)
        assert "unknown command" in str(error)
        with pytest.raises(ServerQueryError, match="unknown command") as caught:
            query.run("NOSUCH")
        assert caught.value.reason == OTHER
        assert query.run("PING") == b"PONG"  # an error reply leaves the connection open


def test_password_and_permissions(server_factory: ServerFactory, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    with server_factory(password="correct horse") as server:
        url = f"redis://{server.ident}"
        assert ask(url, "PING", password_file=str(secret)) == b"PONG"
        assert failure(url).reason == AUTH
        wrong = failure(url, password="incorrect horse")
        assert wrong.reason == AUTH
        assert "horse" not in str(wrong)
        server.client().execute_command("ACL SETUSER u on >p resetkeys -@all +info")
        assert failure(url, "CLUSTER", "NODES", username="u", password="p").reason == NOPERM
        secret.unlink()
        assert failure(url, password_file=str(secret)).reason == AUTH


def test_a_server_that_is_not_there() -> None:
    assert failure(f"redis://127.0.0.1:{free_port()}").reason == REFUSED
    assert failure("redis://name.invalid:6379").reason == "dns"
    assert failure("rediss://127.0.0.1:1", ca_file="/nowhere").reason == TLS


@pytest.mark.parametrize(
    ("chunks", "reason", "part"),
    [
        ((b"HTTP/1.1 400 Bad\r\n",), PROTOCOL, "HTTP"),
        ((b"\x15\x03\x03\x00\x02\x02\x46",), PROTOCOL, "rediss://"),
        ((b"*1000001\r\n",), PROTOCOL, "items"),
        ((b"$99999999\r\n",), PROTOCOL, "bytes"),
        ((b"+PO",), TIMEOUT, "0.5 s"),
        ((b"-ERR \x1b]0;title\x07 redis://a:hunter2@b\r\n",), OTHER, ""),
    ],
)
def test_a_server_that_does_not_reply_well(
    chunks: tuple[bytes, ...], reason: str, part: str
) -> None:
    def script(sock: Any) -> None:
        read_command(sock)
        say(*chunks)(sock)

    with peer(script) as url:
        error = failure(url, limits=QueryLimits(timeout=0.5 if reason == TIMEOUT else 30))
    assert error.reason == reason
    assert part in str(error)
    assert str(error).isprintable()
    assert "hunter2" not in str(error)


def test_a_server_that_sends_slowly_reaches_the_limit_for_all_commands() -> None:
    def drip(sock: Any) -> None:
        read_command(sock)
        sock.sendall(b"*1000\r\n")
        while True:
            sock.sendall(b":1\r\n")
            gevent.sleep(0.01)

    with peer(drip) as url:
        assert failure(url, limits=QueryLimits(timeout=0.3)).reason == TIMEOUT


def test_a_server_with_tls_is_recognised_by_a_second_connection() -> None:
    def tls(sock: Any) -> None:
        if sock.recv(1) == b"\x16":
            sock.sendall(b"\x15\x03\x03\x00\x02\x02\x46")

    with peer(tls) as url:
        assert "use rediss://" in str(failure(url))


def test_many_are_asked_at_once_and_none_fails_the_others() -> None:
    running: list[int] = []
    most: list[int] = []

    def one(number: int) -> int:
        running.append(number)
        most.append(len(running))
        gevent.sleep(0.01)
        running.remove(number)
        if number == 3:
            raise SourceError("three")
        return number * 2

    found = query_all(one, range(10), 4)
    assert [str(item) for item in found] == ["0", "2", "4", "three", *map(str, range(8, 20, 2))]
    assert isinstance(found[3], SourceError)
    assert max(most) == 4


def test_a_defect_is_not_taken_for_a_failed_source() -> None:
    def one(number: int) -> int:
        return 1 // number

    with pytest.raises(ZeroDivisionError):
        query_all(one, [1, 0, 2], 2)


def test_connections_are_closed_if_the_caller_is_killed() -> None:
    accepted: list[Any] = []
    closed: list[int] = []

    def silent(sock: Any) -> None:
        accepted.append(sock)
        read_command(sock)
        with contextlib.suppress(OSError):
            sock.recv(1)
        closed.append(1)

    with peer(silent) as url:
        asking = gevent.spawn(query_all, lambda _: ask(url, "PING"), range(3), 3)
        wait_until(lambda: len(accepted) == 3, what="three connections")
        asking.kill()
        wait_until(lambda: len(closed) == 3, what="the end of three connections")
