"""Handshakes with real servers: passwords, ACLs, Unix sockets."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gevent
import gevent.event
import pytest

from tests.conftest import ServerFactory
from tests.gevent_side.peers import BULK, handshake, peer, read_command
from tests.gevent_side.watching import Watch, watching
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo import RedisShard
from zinfo.info.parser import parse
from zinfo.poll.bounded_socket import BoundedSocket
from zinfo.poll.credentials import Credentials
from zinfo.poll.limits import PollLimits


def add(watch: Watch, url: str, **options: Any) -> RedisShard:
    shard = RedisShard("s", url, **options)
    shard.MIN_POLLING_INTERVAL = shard.MAX_POLLING_INTERVAL = 0.05
    watch.publisher.add_shard(shard)
    return shard


def test_the_connection_has_a_name_and_sends_only_info_and_client_setname(
    server: RealServer,
) -> None:
    with watching() as watch:
        watch.wait_polls(watch.add(server.url), 5)
        (mine,) = [
            line for line in server.cli("CLIENT", "LIST").split(b"\n") if b"name=zinfo" in line
        ]
        assert b" db=0 " in mine
        sent = {name.partition("|")[0] for name in parse(server.cli("INFO", "commandstats")).fields}
        assert sent == {"cmdstat_info", "cmdstat_client", "cmdstat_ping"}  # the last is the test's
        assert parse(server.cli("INFO", "errorstats")).fields == {}


def test_a_server_on_a_unix_socket_is_polled(server_factory: ServerFactory) -> None:
    server = server_factory(unixsocket=True)
    with watching() as watch:
        watch.wait_polls(watch.add(server.url), 3)
        assert watch.types() == ["added", "up"]


def test_a_password_is_read_from_file_environment_or_url(
    server_factory: ServerFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3\u2028cr\x85\vet"  # with characters at which `str.splitlines` ends a line
    server = server_factory(password=secret)
    bare = f"redis://127.0.0.1:{server.port}"
    file = tmp_path / "password"
    file.write_bytes(f"{secret}\r\n".encode())
    file.chmod(0o600)
    monkeypatch.setenv("THE_PASSWORD", secret)
    cases: tuple[tuple[str, dict[str, str]], ...] = (
        (bare, {"password_file": str(file)}),
        (bare, {"password_env": "THE_PASSWORD"}),
        (bare, {"password": secret}),
        (f"redis://:{quote(secret)}@127.0.0.1:{server.port}", {}),
    )
    for url, options in cases:
        with watching() as watch:
            watch.wait_polls(add(watch, url, **options), 2)


def test_a_wrong_or_missing_password_is_auth_and_is_not_shown(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(password="s3cret")
    bare = f"redis://127.0.0.1:{server.port}"
    for options in ({"password": "wr0ng"}, {}, {"password_file": "/nowhere"}):
        with watching() as watch:
            shard = add(watch, bare, **options)
            assert watch.wait_for("down").reason == "auth"
            assert "wr0ng" not in shard.last_error


def test_a_rotated_password_file_is_read_at_the_next_connect(
    server_factory: ServerFactory, tmp_path: Path
) -> None:
    server = server_factory(password="s3cret")
    file = tmp_path / "password"
    file.write_text("old")
    file.chmod(0o600)
    with watching() as watch:
        shard = add(watch, f"redis://127.0.0.1:{server.port}", password_file=str(file))
        watch.wait_for("down")
        file.write_text("s3cret")
        watch.wait_for("up")
        watch.wait_polls(shard)


def test_the_documented_acl_is_enough_and_less_is_noperm(server: RealServer) -> None:
    admin = server.client()
    admin.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "+info", "+client|setname")
    admin.execute_command("ACL", "SETUSER", "nobody", "on", ">pw", "+client|setname", "+ping")
    with watching() as watch:
        watch.wait_polls(add(watch, server.url, username="reader", password="pw"), 3)
        admin.execute_command("ACL", "SETUSER", "reader", "-info")
        assert watch.wait_for("down").reason == "noperm"
        admin.execute_command("ACL", "SETUSER", "reader", "+info")
        watch.wait_for("up", count=2)
    with watching() as watch:
        add(watch, server.url, username="nobody", password="pw")
        assert watch.wait_for("down").reason == "noperm"


def test_the_socket_taken_over_is_not_closed_with_the_connection_object(
    server: RealServer,
) -> None:
    with watching() as watch:
        shard = watch.add(server.url)
        watch.wait_for("up")
        gc.collect()
        watch.wait_polls(shard, 3)
        wait_until(lambda: watch.poller.stats.poll.connects == 1, what="one connection in all")


def test_a_poller_stops_although_servers_do_not_reply() -> None:
    accepted: list[bytes] = []

    def silent(sock: Any) -> None:
        accepted.append(sock.recv(1))
        gevent.sleep(300)

    with (
        peer(silent) as url,
        watching(limits=PollLimits(timeout=300, connect_timeout=300)) as watch,
    ):
        for number in range(3):
            watch.add(url, f"s{number}")
        wait_until(lambda: len(accepted) == 3, what="three connections")
        with gevent.Timeout(30):
            watch.poller.stop()
    assert len(accepted) == 3, "no shard is connected once more"


def test_a_shard_removed_during_its_handshake_leaves_no_connection() -> None:
    requested, removed, closed = (gevent.event.Event() for _ in range(3))

    def script(sock: Any) -> None:
        handshake(sock)
        requested.set()
        removed.wait()
        sock.sendall(BULK)
        try:
            read_command(sock)
        except ConnectionError:
            closed.set()

    with peer(script) as url, watching() as watch:
        watch.add(url)
        assert requested.wait(60)
        watch.publisher.del_shard("s")
        removed.set()
        assert closed.wait(60)
        assert watch.types() == ["added", "removed"]
    gc.collect()  # reports a socket that is still open as an error


class Endless:
    """A socket that always returns data, after 3 ms."""

    def recv(self, *_args: object) -> bytes:
        """Return the next part of a long reply."""
        until = time.monotonic() + 0.003
        while time.monotonic() < until:
            pass
        return b"$9000000\r\n"


def test_reading_a_long_reply_yields_to_the_event_loop() -> None:
    loop: Any = gevent.get_hub().loop
    iterations: list[int] = []
    watcher = loop.idle(priority=loop.MAXPRI)
    watcher.start(iterations.append, 1)
    try:
        sock = BoundedSocket(Endless(), 10_000_000, Credentials())
        for _ in range(10):
            sock.recv(4096)
    finally:
        watcher.stop()
        watcher.close()
    assert len(iterations) >= 8
