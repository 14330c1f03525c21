"""Handshakes with real servers: passwords, ACLs, TLS, Unix sockets."""

from __future__ import annotations

import gc
import socket
import struct
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gevent
import gevent.event
import pytest
import redis
import trustme

from tests.conftest import ServerFactory
from tests.gevent_side.peers import BULK, handshake, peer, read_command, say
from tests.gevent_side.watching import Watch, watching
from tests.server_kinds import available_kinds
from tests.servers import RealServer
from tests.spawning import free_port
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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(
    server_factory: ServerFactory, authority: trustme.CA, tmp_path: Path
) -> tuple[RealServer, int]:
    kinds = [kind for kind in available_kinds() if _speaks_tls(kind.binary)]
    if not kinds:
        pytest.skip("no server with TLS here; Debian's redis-server has it")
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    port = free_port()
    server = server_factory(
        kinds[0],
        args=(
            *("--tls-port", str(port)),
            *("--tls-cert-file", str(tmp_path / "server.pem")),
            *("--tls-key-file", str(tmp_path / "server.pem")),
            *("--tls-ca-cert-file", str(tmp_path / "ca.pem")),
        ),
    )
    return server, port


def _speaks_tls(binary: Path) -> bool:
    return b"tls-cert-file" in Path(binary).read_bytes() and b"libssl" in Path(binary).read_bytes()


def client_certificate(authority: trustme.CA, folder: Path) -> dict[str, str]:
    """Write a client certificate; return the TLS options of a shard with it."""
    file = folder / "client.pem"
    authority.issue_cert("zinfo.example").private_key_and_cert_chain_pem.write_to_path(str(file))
    return {"ca_file": str(folder / "ca.pem"), "cert_file": str(file), "key_file": str(file)}


def test_tls_with_client_certificate_is_polled(
    tls_server: tuple[RealServer, int], authority: trustme.CA, tmp_path: Path
) -> None:
    _, port = tls_server
    certificate = client_certificate(authority, tmp_path)
    with watching() as watch:
        shard = add(watch, f"rediss://localhost:{port}", **certificate)
        watch.wait_polls(shard, 5)
        assert watch.types() == ["added", "up"]


def test_a_certificate_that_cannot_be_verified_is_tls(
    tls_server: tuple[RealServer, int], tmp_path: Path
) -> None:
    _, port = tls_server
    other = trustme.CA()
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    good, wrong = str(tmp_path / "ca.pem"), str(tmp_path / "other.pem")
    for url, options in (
        (f"rediss://localhost:{port}", {"ca_file": wrong}),
        (f"rediss://localhost:{port}", {"ca_file": "/nowhere"}),
        (f"rediss://127.0.0.1:{port}", {"ca_file": good}),  # the certificate names localhost only
    ):
        with watching() as watch:
            shard = add(watch, url, **options)
            assert watch.wait_for("down").reason == "tls", (url, options, shard.last_error)


def test_a_killed_tls_server_is_down(
    tls_server: tuple[RealServer, int], authority: trustme.CA, tmp_path: Path
) -> None:
    server, port = tls_server
    certificate = client_certificate(authority, tmp_path)
    with watching() as watch:
        add(watch, f"rediss://localhost:{port}", **certificate)
        watch.wait_for("up")
        server.kill()
        assert watch.wait_for("down").reason == "refused"


def test_a_client_with_its_own_tls_options_is_polled(
    tls_server: tuple[RealServer, int], authority: trustme.CA, tmp_path: Path
) -> None:
    _, port = tls_server
    certificate = client_certificate(authority, tmp_path)
    client = redis.Redis(
        host="localhost",
        port=port,
        ssl=True,
        ssl_ca_certs=certificate["ca_file"],
        ssl_certfile=certificate["cert_file"],
        ssl_keyfile=certificate["key_file"],
    )
    with watching() as watch:
        watch.wait_polls(watch.add(client), 3)
        assert isinstance(client.connection_pool.connection_kwargs["ssl_keyfile"], str)


def test_the_socket_taken_over_is_not_closed_with_the_connection_object(
    server: RealServer,
) -> None:
    with watching() as watch:
        shard = watch.add(server.url)
        watch.wait_for("up")
        gc.collect()
        watch.wait_polls(shard, 3)
        wait_until(lambda: watch.poller.stats.poll.connects == 1, what="one connection in all")


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


def test_stopping_in_the_middle_of_a_tls_handshake_leaves_no_socket_open() -> None:
    accepted: list[int] = []

    def silent(sock: Any) -> None:
        accepted.append(1)
        say(hold=300)(sock)

    with peer(silent) as url:
        with watching(limits=PollLimits(timeout=300, connect_timeout=300)) as watch:
            for number in range(5):
                watch.add(url.replace("redis:", "rediss:"), f"s{number}")
            wait_until(lambda: len(accepted) == 5, what="five connections")
        gevent.sleep(0)
        gc.collect()  # reports a socket that is still open as an error


def test_a_connection_reset_before_the_tls_handshake_leaves_no_socket_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected = gevent.event.Event()
    resets: list[int] = []
    wrap: Any = redis.SSLConnection._wrap_socket_with_ssl

    def wrap_too_late(self: Any, sock: Any) -> Any:
        connected.set()
        wait_until(lambda: not _has_peer(sock), what="the reset to arrive")
        resets.append(1)
        return wrap(self, sock)

    def reset(sock: Any) -> None:
        connected.wait()
        connected.clear()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    monkeypatch.setattr(redis.SSLConnection, "_wrap_socket_with_ssl", wrap_too_late)
    with peer(reset) as url, watching() as watch:
        watch.add(url.replace("redis:", "rediss:"))
        assert watch.wait_for("down").reason != "timeout"
        assert resets
    gc.collect()  # reports a socket that is still open as an error


def _has_peer(sock: Any) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


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
