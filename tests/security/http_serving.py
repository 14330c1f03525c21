"""A small HTTP server with all limits, in this process, and raw connections to it."""

from __future__ import annotations

import socket as _socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import gevent
import gevent.event
import gevent.socket

from zinfo.adapters.wsgi.host_names import HostNames
from zinfo.adapters.wsgi.request_policy import CLIENT, Timeouts
from zinfo.adapters.wsgi.server import WsgiServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TIMEOUT = 60.0
"""Seconds after which a test's read has failed."""

HOST = "127.0.0.1"


class EchoServer(WsgiServer):
    """Returns the requested path; `/large` is long, `/wait` waits for `streaming`."""

    pages = ("/",)
    health = ("/healthz",)

    def __init__(
        self,
        *,
        connections: int = 256,
        times: Timeouts | None = None,
        tls: ssl.SSLContext | None = None,
        names: HostNames | None = None,
        max_body: int = 1000,
    ) -> None:
        self.requested: list[str] = []
        self.refusals: list[int] = []
        self.streaming = gevent.event.Event()
        names = names or HostNames()
        super().__init__(
            "small", HOST, 0, max_body=max_body, connections=connections, tls=tls, names=names
        )
        self._handler = type("Quick", (self._handler,), {"timeouts": times or Timeouts()})
        self._server.handler_class = self._handler

    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Respond to one request."""
        path = environ["PATH_INFO"]
        self.requested.append(path)
        start_response("200 OK", [("Content-Type", "text/plain")])
        if path == "/large":
            return (bytes(1 << 20) for _ in range(100))
        if path == "/wait":
            return self._wait()
        body: bytes = environ["wsgi.input"].read()
        return [f"{path} of {environ[CLIENT]}: ".encode() + body]

    def _wait(self) -> Iterator[bytes]:
        yield b"begun"
        self.streaming.wait()

    def client_of(self, environ: WSGIEnvironment) -> str:
        """Return the name in a header."""
        name: str = environ.get("HTTP_X_NAME", "")
        return name

    def count_rejected(self, status: int) -> None:
        """Record a status."""
        self.refusals.append(status)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.endpoint.rstrip("/").rpartition(":")[2])

    @property
    def connections(self) -> int:
        """Number of open connections."""
        assert self._server.pool is not None
        return len(self._server.pool)


@contextmanager
def serving(**options: object) -> Iterator[EchoServer]:
    """Run a server."""
    http_server = EchoServer(**options)  # type: ignore[arg-type]  # checked by the constructor
    http_server.start()
    try:
        yield http_server
    finally:
        http_server.streaming.set()
        http_server.stop()


def quick(**times: float) -> Timeouts:
    """Return timeouts, some of which are short."""
    return replace(Timeouts(), **times)


def connect(
    http_server: EchoServer, data: bytes = b"", source: str | None = None
) -> gevent.socket.socket:
    """Connect and send data.

    Args:
        http_server: the server to connect to.
        data: data to send.
        source: address to connect from.
    """
    address = None if source is None else (source, 0)
    connection = gevent.socket.create_connection((HOST, http_server.port), TIMEOUT, address)
    connection.sendall(data)
    return connection


class ParsedResponse(NamedTuple):
    """A response; status 0 if there was none."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    """Return a request with `Connection: close`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def read_all(connection: gevent.socket.socket) -> bytes:
    """Read until the connection is closed."""
    read = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            read += part
    return read


def parse_response(read: bytes) -> ParsedResponse:
    """Parse a response; status 0 if it is empty."""
    if not read:
        return ParsedResponse(0, {}, b"")
    head, _, body = read.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(one.lower().split(": ", 1) for one in lines)
    return ParsedResponse(int(line.split()[1]), headers, body)


def response_to(http_server: EchoServer, data: bytes, source: str | None = None) -> ParsedResponse:
    """Send data over a new connection, and read the response until it is closed."""
    with closing(connect(http_server, data, source)) as connection:
        return parse_response(read_all(connection))


def connect_without_reading(http_server: EchoServer, path: str) -> gevent.socket.socket:
    """Send a request from a socket with a small buffer, and read nothing."""
    connection = gevent.socket.socket()
    connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, 4096)
    connection.settimeout(TIMEOUT)
    connection.connect((HOST, http_server.port))
    connection.sendall(request(path))
    return connection
