"""The server of the page: its requests to the feed, and the limit of open pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import gevent
import gevent.socket
import pytest

from tests.top.fake import INFO, FakeSource
from tests.waiting import wait_until
from zinfo.top.web import server as server_module
from zinfo.top.web.server import WebServer

SHARD = "10.0.0.0:6379"


@pytest.fixture
def source() -> FakeSource:
    return FakeSource(1)


@pytest.fixture
def server(source: FakeSource) -> Iterator[WebServer]:
    server = WebServer(source, "127.0.0.1", 0)
    server.start()
    yield server
    server.stop()


def opened(server: WebServer, path: str) -> gevent.socket.socket:
    """Ask for something; returns the connection."""
    port = int(server.endpoint.rstrip("/").rpartition(":")[2])
    connection = gevent.socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return connection


def until(connection: gevent.socket.socket, wanted: bytes) -> bytes:
    """Read until something came."""
    read = b""
    while wanted not in read:
        part = connection.recv(65536)
        assert part, read
        read += part
    return read


def status(server: WebServer, path: str) -> int:
    """Ask for something; returns the answer's status."""
    with closing(opened(server, path)) as connection:
        return int(until(connection, b"\r\n").split()[1])


def test_a_shard_is_followed_while_its_page_is_open(server: WebServer, source: FakeSource) -> None:
    with closing(opened(server, f"/shard?id={SHARD}")) as connection:
        until(connection, b"data: ")
        wait_until(lambda: source.wanted, 30, "the shard to be followed", sleep=gevent.sleep)
        source.model.set_sections(SHARD, {"All": list(INFO)})
        until(connection, b'"All"')
        source.wanted.clear()
        wait_until(lambda: source.wanted, 30, "this to continue", sleep=gevent.sleep)
    assert set(source.wanted) == {SHARD}


def test_a_shard_that_is_not_watched_is_not_followed(server: WebServer, source: FakeSource) -> None:
    with closing(opened(server, "/shard?id=made-up")) as connection:
        for _ in range(2):
            assert b'"page":null' in until(connection, b"}")
    assert source.wanted == []


def test_so_many_pages_can_be_open_and_one_that_is_left_makes_room(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MAX_STREAMS", 3)  # of which this machine has two
    server = WebServer(source, "127.0.0.1", 0)
    server.start()
    pages = [opened(server, path) for path in ("/stream", f"/shard?id={SHARD}")]
    for page in pages:
        until(page, b"data: ")
    assert status(server, "/stream") == 429
    assert status(server, "/") == 200
    pages.pop().close()
    wait_until(lambda: status(server, "/stream") == 200, 30, "room", sleep=gevent.sleep)
    pages.pop().close()
    server.stop()


def test_a_filter_that_makes_no_sense_is_refused(server: WebServer) -> None:
    assert status(server, "/stream?filter=ops%3Emany") == 400
