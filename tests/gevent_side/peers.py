"""Servers that misbehave on demand; one script runs for each connection."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from gevent.server import StreamServer

Script = Callable[[Any], None]

INFO = (
    b"# Server\r\nredis_version:7.0.0\r\nrun_id:abc\r\n"
    b"role:master\r\ninstantaneous_ops_per_sec:0\r\n"
)
BULK = b"$%d\r\n%s\r\n" % (len(INFO), INFO)


@contextlib.contextmanager
def peer(script: Script, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Listen and run `script(socket)` for each connection; yields a shard URL.

    Args:
        script: what the server does.
        host: address to listen at.
        port: to listen at; 0 for a free one.
    """

    def serve(sock: Any, _address: object) -> None:
        with contextlib.suppress(OSError):
            script(sock)

    server = StreamServer((host, port), serve)
    server.start()
    try:
        yield f"redis://{host}:{server.server_port}"
    finally:
        server.stop(timeout=0)


def read_command(sock: Any) -> list[bytes]:
    """Return the next command; raise ConnectionError at the end of the stream."""
    count = int(_line(sock)[1:])
    words = []
    for _ in range(count):
        length = int(_line(sock)[1:])
        words.append(_exactly(sock, length + 2)[:-2])
    return words


def handshake(sock: Any) -> list[bytes]:
    """Reply OK to all commands before the first INFO, and return that command."""
    while True:
        command = read_command(sock)
        if command[0].upper() == b"INFO":
            return command
        sock.sendall(b"+OK\r\n")


def good_then(last: Callable[[Any], None], good: int = 3) -> Script:
    """Reply correctly to the first `good` INFO commands, then call `last(socket)`."""

    def script(sock: Any) -> None:
        handshake(sock)
        for _ in range(good):
            sock.sendall(BULK)
            read_command(sock)
        last(sock)

    return script


def say(*chunks: bytes, pause: float = 0.0, hold: float = 300.0) -> Callable[[Any], None]:
    """Return a script that sends chunks with pauses, then keeps the connection open."""

    def last(sock: Any) -> None:
        for chunk in chunks:
            sock.sendall(chunk)
            gevent.sleep(pause)
        gevent.sleep(hold)

    return last


def _line(sock: Any) -> bytes:
    line = b""
    while not line.endswith(b"\r\n"):
        line += _exactly(sock, 1)
    return line[:-2]


def _exactly(sock: Any, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = sock.recv(count - len(data))
        if not chunk:
            raise ConnectionError("the poller closed")
        data += chunk
    return data
