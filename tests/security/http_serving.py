"""A small server with all guards, in this process, and raw connections to it."""

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

TIMEOUT = 20.0
"""Seconds after which a test's read has failed."""

HOST = "127.0.0.1"


class Small(WsgiServer):
    """Serves what it was asked for as text, `/large` a long answer, `/healthz` a short one."""

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
        self.asked: list[str] = []
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
        """Answer one request."""
        path = environ["PATH_INFO"]
        self.asked.append(path)
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
        """Note a status."""
        self.refusals.append(status)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.endpoint.rstrip("/").rpartition(":")[2])

    @property
    def connections(self) -> int:
        """How many there are."""
        assert self._server.pool is not None
        return len(self._server.pool)


@contextmanager
def serving(**options: object) -> Iterator[Small]:
    """Run a small server."""
    door = Small(**options)  # type: ignore[arg-type]  # checked there
    door.start()
    try:
        yield door
    finally:
        door.streaming.set()
        door.stop()


def quick(**times: float) -> Timeouts:
    """Return times of which some are short."""
    return replace(Timeouts(), **times)


def opened(door: Small, data: bytes = b"", source: str | None = None) -> gevent.socket.socket:
    """Return a connection on which something was sent.

    Args:
        door: to connect to.
        data: to send.
        source: address to connect from.
    """
    place = None if source is None else (source, 0)
    connection = gevent.socket.create_connection((HOST, door.port), TIMEOUT, place)
    connection.sendall(data)
    return connection


class Answer(NamedTuple):
    """What came back until the connection was closed."""

    status: int
    headers: dict[str, str]
    body: bytes


def request(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    """Return a request that ends its connection."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def everything(connection: gevent.socket.socket) -> bytes:
    """Read until the connection is closed."""
    read = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            read += part
    return read


def parsed(read: bytes) -> Answer:
    """Take an answer apart; status 0 where there is none."""
    if not read:
        return Answer(0, {}, b"")
    head, _, body = read.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(one.lower().split(": ", 1) for one in lines)
    return Answer(int(line.split()[1]), headers, body)


def answer_to(door: Small, data: bytes, source: str | None = None) -> Answer:
    """Send something over a connection of its own and read what comes until it is closed."""
    with closing(opened(door, data, source)) as connection:
        return parsed(everything(connection))


def unread(door: Small, path: str) -> gevent.socket.socket:
    """Ask for something, and read nothing of it into a small buffer."""
    connection = gevent.socket.socket()
    connection.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, 4096)
    connection.settimeout(TIMEOUT)
    connection.connect((HOST, door.port))
    connection.sendall(request(path))
    return connection
