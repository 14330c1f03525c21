"""What commands print if there is no daemon at an endpoint: which other thing is there."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest
import trustme
import zmq

from tests.cli.conftest import Fleet
from tests.cli.running import QUICK, invoke
from tests.daemons import RunningDaemon
from tests.servers import free_port
from zinfo.cli import peer_kinds
from zinfo.cli.endpoint_probe import probe, probe_all
from zinfo.cli.sink import warn_of_silence

START = (
    "; start a daemon with `zinfo serve`, or give the address of a running one with --connect or "
    "ZINFO_CONNECT"
)
QUERY_PORT = "; the query endpoint is usually port 9736"
SILENT = "a program accepts the connection, but sends nothing; it is stopped, or is no daemon"


def error_of(*endpoints: str, command: str = "shards") -> str:
    """The error of a command."""
    connect = [f"--connect={endpoint}" for endpoint in endpoints]
    done = invoke(*command.split(), *connect, "--timeout=0.05")
    assert (done.exit_code, done.stdout) == (1, "")
    return done.stderr.removesuffix("\n")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listening(stack: ExitStack, serve: Callable[[socket.socket], None]) -> str:
    """Start a server that calls `serve` for each connection; return its endpoint."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):  # it is shut down at the end
            while True:
                peer, _ = listener.accept()
                with peer, suppress(OSError):
                    serve(peer)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    stack.callback(listener.close)
    stack.callback(thread.join, 10)
    stack.callback(listener.shutdown, socket.SHUT_RDWR)
    return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def test_where_nothing_listens_the_connection_is_refused() -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    assert error_of(endpoint) == f"Error: nothing answers at {endpoint}: connection refused{START}"


def test_a_host_name_that_does_not_exist_is_named() -> None:
    text = error_of("tcp://nohost.invalid:9736")
    assert "9736: the host name nohost.invalid is not known (" in text
    assert text.endswith("); check the address")


@pytest.mark.parametrize("command", ["shards", "watch", "events --follow", "top --web 127.0.0.1:0"])
def test_the_bus_is_recognised(fleet: Fleet, command: str) -> None:
    endpoint = fleet.daemon.bus
    assert error_of(endpoint, command=command) == (
        f"Error: nothing answers at {endpoint}: this is the bus of a daemon{QUERY_PORT}"
    )


def test_a_redis_server_is_recognised(fleet: Fleet) -> None:
    assert error_of(f"tcp://{fleet.first.ident}").endswith(
        ": this is a Redis server; "
        "start a daemon that polls it with `zinfo serve --shard redis://HOST:PORT`"
    )


def test_an_http_server_is_recognised(stack: ExitStack) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = stack.enter_context(http.server.HTTPServer(("127.0.0.1", 0), Quiet))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.shutdown)
    assert error_of(f"tcp://127.0.0.1:{server.server_port}").endswith(
        f": this is an HTTP server{QUERY_PORT}"
    )


def test_a_port_with_tls_is_recognised(stack: ExitStack) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    def serve(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as wrapped:
            wrapped.recv(10)

    endpoint = listening(stack, serve)
    assert error_of(endpoint).endswith(f": this port speaks TLS, which daemons do not{QUERY_PORT}")
    # One that closes the connection of a client that does not greet with TLS sends no alert.
    waiting = listening(stack, partial(_tls_or_nothing, serve))
    assert probe(waiting, with_keys=False) == peer_kinds.TLS


def _tls_or_nothing(serve: Callable[[socket.socket], None], peer: socket.socket) -> None:
    if peer.recv(1, socket.MSG_PEEK) == b"\x16":
        serve(peer)


def test_a_program_that_sends_nothing_is_recognised(stack: ExitStack) -> None:
    def read_all(peer: socket.socket) -> None:
        while peer.recv(1000):
            pass

    endpoint = listening(stack, read_all)
    assert error_of(endpoint) == f"Error: nothing answers at {endpoint}: {SILENT}"


def test_another_program_is_recognised(stack: ExitStack) -> None:
    endpoint = listening(stack, lambda peer: peer.sendall(b"SSH-2.0-OpenSSH_9.9\r\n"))
    assert error_of(endpoint).endswith(
        f": this is a program that does not speak ZeroMQ{QUERY_PORT}"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (zmq.PULL, f"this is a ZeroMQ socket of type PULL{QUERY_PORT}"),
        (
            zmq.ROUTER,
            "it accepts the connection, but does not reply; "
            "the daemon may be overloaded: try a longer --timeout",
        ),
    ],
)
def test_other_sockets_of_zeromq_are_recognised(kind: int, expected: str) -> None:
    with zmq.Context() as context, context.socket(kind) as peer:
        endpoint = f"tcp://127.0.0.1:{peer.bind_to_random_port('tcp://127.0.0.1')}"
        assert error_of(endpoint) == f"Error: nothing answers at {endpoint}: {expected}"
        keys = probe(endpoint, with_keys=True)
    if kind == zmq.ROUTER:
        assert keys == ("it has no keys", "leave out --server-key and --client-key", "")


def test_ipc_endpoints_are_looked_at(tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/nothing"
    assert error_of(endpoint).endswith(f"/nothing: there is no such socket{START}")
    with zmq.Context() as context, context.socket(zmq.XPUB) as peer:
        peer.bind(f"ipc://{tmp_path}/bus")
        assert probe(f"ipc://{tmp_path}/bus", with_keys=False).text == "this is the bus of a daemon"
        peer.bind("ipc://@zinfo-test-no-answer")
        found = probe("ipc://@zinfo-test-no-answer", with_keys=False)
    assert found.text == "this is the bus of a daemon"


def test_a_bus_that_is_not_reachable_is_named(fleet: Fleet) -> None:
    nowhere = f"tcp://127.0.0.1:{free_port()}"
    config = f'[bus]\nadvertise = "{nowhere}"'
    with RunningDaemon([fleet.first.url], config_text=config, environ=QUICK) as daemon:
        done = invoke("watch", f"--connect={daemon.query}", "--timeout=0.5")
    assert done.exit_code == 1
    assert done.stderr == (
        f"Error: {daemon.query} replies to queries, but its bus at {nowhere} does not answer: "
        "connection refused; bus.advertise in the daemon's configuration is its address for "
        "clients\n"
    )


def test_several_endpoints_are_one_line_with_each_advice_once(fleet: Fleet) -> None:
    closed = [f"tcp://127.0.0.1:{free_port()}" for _ in range(3)]
    assert error_of(fleet.daemon.bus, *closed) == (
        f"Error: nothing answers at {fleet.daemon.bus}: this is the bus of a daemon; "
        f"{closed[0]}: connection refused; {closed[1]}: connection refused; and 1 more{QUERY_PORT}"
        + START
    )


def test_missing_slices_are_followed_by_the_reasons(fleet: Fleet) -> None:
    bus = fleet.daemon.bus
    done = invoke("shards", f"--connect={fleet.daemon.query}", f"--connect={bus}", "--timeout=1")
    assert done.exit_code == 1
    assert fleet.first.ident in done.stdout
    assert done.stderr.splitlines() == [
        f"missing: {bus}: no reply",
        f"{bus}: this is the bus of a daemon{QUERY_PORT}",
    ]


def test_a_sink_logs_which_daemon_it_waits_for(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    bus, closed = fleet.daemon.bus, f"tcp://127.0.0.1:{free_port()}"
    warn_of_silence([fleet.daemon.query, bus, closed], with_keys=False)
    assert caplog.messages == [
        f"nothing answers at {bus}: this is the bus of a daemon; waiting for it",
        f"nothing answers at {closed}: connection refused; waiting for it",
    ]


def test_what_a_peer_sends_is_bounded(stack: ExitStack) -> None:
    def flood(peer: socket.socket) -> None:
        peer.sendall(peer_kinds.GREETING)
        while True:  # no READY
            peer.sendall(bytes(65536))

    endpoint = listening(stack, flood)
    found = probe_all([endpoint], with_keys=False)
    assert found[endpoint].text == "this is a ZeroMQ socket of another program"


def test_an_endpoint_that_cannot_be_looked_at_has_no_finding() -> None:
    assert probe_all(["inproc://x", "ipc://", "x"], with_keys=False) == {}


def test_a_greeting_that_ends_anywhere_is_no_error() -> None:
    whole = peer_kinds.GREETING + b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER"
    for size in range(len(whole)):
        found = peer_kinds.from_zeromq(whole[:size], with_keys=False)
        assert found.text == "this is a ZeroMQ socket of another program"
        assert not peer_kinds.is_complete(whole[:size]) or size < peer_kinds.GREETING_LENGTH
    assert peer_kinds.from_zeromq(whole, with_keys=False).role == peer_kinds.QUERY
    assert peer_kinds.is_complete(whole)
