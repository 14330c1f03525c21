"""TLS with real servers: certificates, names, and servers that do not speak what is expected."""

from __future__ import annotations

import gc
import http.server
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from zinfo.poll.limits import PollLimits
from zinfo.poll.tls_connection import TlsConnection, client_context
from zinfo.shards.connection_options import ConnectionOptions


def add(watch: Watch, url: str, **options: Any) -> RedisShard:
    shard = RedisShard("s", url, **options)
    shard.MIN_POLLING_INTERVAL = shard.MAX_POLLING_INTERVAL = 0.05
    watch.publisher.add_shard(shard)
    return shard


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
    wrap: Any = TlsConnection._wrap_socket_with_ssl

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

    monkeypatch.setattr(TlsConnection, "_wrap_socket_with_ssl", wrap_too_late)
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


def test_a_server_name_is_sent_and_verified_in_place_of_the_host(
    tls_server: tuple[RealServer, int], authority: trustme.CA, tmp_path: Path
) -> None:
    _, port = tls_server
    certificate = client_certificate(authority, tmp_path)
    with watching() as watch:
        shard = add(watch, f"rediss://127.0.0.1:{port}", tls_server_name="localhost", **certificate)
        watch.wait_polls(shard, 3)
        assert watch.types() == ["added", "up"]
    with watching() as watch:
        shard = add(
            watch, f"rediss://localhost:{port}", tls_server_name="other.example", **certificate
        )
        assert watch.wait_for("down").reason == "tls"
        assert "other.example" in shard.last_error


@pytest.mark.parametrize(
    ("host", "options", "name"),
    [
        ("localhost", {}, "localhost"),
        ("localhost", {"tls_server_name": "db-1.example"}, "db-1.example"),
        ("127.0.0.1", {"tls_server_name": "db-1.example", "tls_verify": False}, "db-1.example"),
        ("127.0.0.1", {}, None),  # SNI has no IP addresses
    ],
)
def test_the_server_receives_the_server_name(
    authority: trustme.CA, tmp_path: Path, host: str, options: dict[str, Any], name: str | None
) -> None:
    received: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name or host).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context.sni_callback = lambda _sock, sent, _context: received.append(sent)

    def script(sock: Any) -> None:
        with context.wrap_socket(sock, server_side=True) as tls:
            handshake(tls)
            while True:
                tls.sendall(BULK)
                read_command(tls)

    with peer(script) as url, watching() as watch:
        options["ca_file"] = str(tmp_path / "ca.pem")
        there = url.replace("redis:", "rediss:").replace("127.0.0.1", host)
        watch.wait_polls(add(watch, there, **options))
    assert received == [name]


def test_without_verification_any_certificate_is_accepted(
    tls_server: tuple[RealServer, int], authority: trustme.CA, tmp_path: Path
) -> None:
    _, port = tls_server
    certificate = client_certificate(authority, tmp_path)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    certificate["ca_file"] = str(tmp_path / "other.pem")
    with watching() as watch:
        watch.wait_polls(add(watch, f"rediss://127.0.0.1:{port}", tls_verify=False, **certificate))
        assert watch.types() == ["added", "up"]


def test_without_the_check_of_its_host_a_certificate_must_still_be_signed(
    tls_server: tuple[RealServer, int], authority: trustme.CA, tmp_path: Path
) -> None:
    _, port = tls_server
    certificate = client_certificate(authority, tmp_path)
    with watching() as watch:
        url = f"rediss://127.0.0.1:{port}"
        watch.wait_polls(add(watch, url, check_hostname=False, **certificate))
    trustme.CA().cert_pem.write_to_path(certificate["ca_file"])
    with watching() as watch:
        add(watch, url, check_hostname=False, **certificate)
        assert watch.wait_for("down").reason == "tls"


def test_with_a_ca_file_the_authorities_of_the_system_are_not_trusted(
    tls_server: tuple[RealServer, int],
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, port = tls_server
    certificate = client_certificate(authority, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", certificate.pop("ca_file"))  # the system's, for OpenSSL
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with watching() as watch:
        watch.wait_polls(add(watch, f"rediss://localhost:{port}", **certificate))
    with watching() as watch:
        other = str(tmp_path / "other.pem")
        add(watch, f"rediss://localhost:{port}", ca_file=other, **certificate)
        assert watch.wait_for("down").reason == "tls"


def test_connections_share_the_authorities_of_the_system(tmp_path: Path) -> None:
    file = str(tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(file)
    one, other = (client_context(ConnectionOptions(url=f"rediss://{host}")) for host in "ab")
    own = client_context(ConnectionOptions(url="rediss://a", ca_file=file))
    lax = client_context(ConnectionOptions(url="rediss://a", check_hostname=False))
    assert one is other
    assert one.check_hostname
    assert not lax.check_hostname
    assert len({one, own, lax}) == 3


@pytest.mark.parametrize("name", ["", "*", "a b", "[::1]", "a..b", "x" * 254])
def test_a_server_name_that_no_certificate_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="tls_server_name cannot be used"):
        RedisShard("s", "rediss://h", tls_server_name=name)


# --- servers that speak something else ---

SHORT = PollLimits(timeout=0.5, connect_timeout=0.5)
"""For servers that are silent."""

IS_TLS = "the server speaks TLS: use rediss://"
NOT_TLS = "the server does not speak TLS: use redis://"
IS_HTTP = "an HTTP server replies at this address: correct the port"

ALERT = b"\x15\x03\x01\x00\x02\x02\x46"  # fatal: protocol version


def test_plain_to_a_tls_port_and_tls_to_a_plain_port_are_named(
    tls_server: tuple[RealServer, int],
) -> None:
    server, port = tls_server
    with watching(limits=PollLimits(timeout=30, connect_timeout=30)) as watch:
        for options in ({}, {"password": "pw"}, {"username": "u", "password": "pw"}):
            shard = add(watch, f"redis://localhost:{port}", **options)
            assert watch.wait_for("down").reason == "tls"
            assert shard.last_error == IS_TLS
            watch.publisher.del_shard("s")
            watch.events.clear()
    with watching(limits=SHORT) as watch:  # the server waits for the end of a command
        shard = add(watch, f"rediss://localhost:{server.port}")
        wait_until(lambda: shard.failures >= 3, what="three failures")
        assert shard.last_error == NOT_TLS
        assert [event.reason for event in watch.events if event.type == "down"] == ["tls"]


def only_tls(otherwise: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a script that replies to the greeting of TLS only."""

    def script(sock: Any) -> None:
        first = sock.recv(1)
        (say(ALERT) if first == b"\x16" else otherwise)(sock)

    return script


def only_redis(otherwise: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a script that replies to a command only."""

    def script(sock: Any) -> None:
        first = sock.recv(1)
        (say(b"-NOAUTH Authentication required.\r\n") if first == b"*" else otherwise)(sock)

    return script


def close(sock: Any) -> None:
    sock.close()


def reset(sock: Any) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize(
    ("scheme", "script", "message"),
    [
        pytest.param("redis", only_tls(say(ALERT)), IS_TLS, id="an alert"),
        pytest.param("redis", only_tls(say(ALERT, hold=0)), IS_TLS, id="an alert and a close"),
        pytest.param("redis", only_tls(close), IS_TLS, id="a close"),
        pytest.param("redis", only_tls(reset), IS_TLS, id="a reset"),
        pytest.param("redis", only_tls(say()), IS_TLS, id="silence"),
        pytest.param("rediss", only_redis(say(b"-ERR what?\r\n")), NOT_TLS, id="tls: an error"),
        pytest.param("rediss", only_redis(close), NOT_TLS, id="tls: a close"),
        pytest.param("rediss", only_redis(reset), NOT_TLS, id="tls: a reset"),
        pytest.param("rediss", only_redis(say()), NOT_TLS, id="tls: silence"),
    ],
)
def test_each_way_in_which_a_server_rejects_the_wrong_protocol_is_recognised(
    scheme: str, script: Callable[[Any], None], message: str
) -> None:
    with peer(script) as url, watching(limits=SHORT) as watch:
        shard = watch.add(url.replace("redis:", f"{scheme}:"))
        wait_until(lambda: shard.failures >= 3, what="three failures")
        assert shard.last_error == message
        downs = [(event.reason, event.message) for event in watch.events if event.type == "down"]
        assert downs == [("tls", message)]


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_an_http_server_is_recognised(scheme: str) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    serving = gevent.spawn(server.serve_forever, 0.01)
    try:
        with watching() as watch:
            shard = watch.add(f"{scheme}://127.0.0.1:{server.server_port}")
            assert watch.wait_for("down").reason == "protocol"
            assert shard.last_error == IS_HTTP
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"<HTML>Bad request"])
def test_an_http_server_behind_tls_is_recognised(
    authority: trustme.CA, tmp_path: Path, reply: bytes
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def script(sock: Any) -> None:
        with context.wrap_socket(sock, server_side=True) as tls:
            tls.recv(100)
            say(reply)(tls)

    with peer(script) as url, watching() as watch:
        ca_file = str(tmp_path / "ca.pem")
        shard = add(watch, url.replace("redis:", "rediss:"), ca_file=ca_file)
        assert watch.wait_for("down").reason == "protocol"
        assert shard.last_error == IS_HTTP


def test_a_failing_server_is_probed_once_and_its_own_error_stays() -> None:
    greetings: list[bytes] = []

    def script(sock: Any) -> None:
        greetings.append(sock.recv(1))

    with peer(script) as url, watching() as watch:
        shard = watch.add(url)
        wait_until(lambda: shard.failures >= 5, what="five failures")
        assert shard.reason == "other"
        assert greetings.count(b"\x16") == 1


def test_an_error_reply_needs_no_probe() -> None:
    greetings: list[bytes] = []

    def script(sock: Any) -> None:
        greetings.append(sock.recv(1))
        while sock.recv(4096):
            sock.sendall(b"-ERR whatever\r\n")

    with peer(script) as url, watching() as watch:
        shard = watch.add(url)
        wait_until(lambda: shard.failures >= 3, what="three failures")
        assert "whatever" in shard.last_error
        assert set(greetings) == {b"*"}


def test_a_server_that_falls_silent_is_down_before_it_is_probed() -> None:
    greetings: list[bytes] = []
    silent = gevent.event.Event()

    def script(sock: Any) -> None:
        if silent.is_set():
            greetings.append(sock.recv(1))
            gevent.sleep(60)
        handshake(sock)
        sock.sendall(BULK)
        silent.wait()

    with peer(script) as url, watching(limits=SHORT) as watch:
        shard = watch.add(url)
        watch.wait_for("up")
        silent.set()  # the connection ends; the next one is accepted, and gets no reply
        assert watch.wait_for("down").reason == "timeout"
        assert b"\x16" not in greetings
        wait_until(lambda: shard.failures >= 3, what="three failures")
        assert greetings.count(b"\x16") == 1
        assert watch.types().count("down") == 1
