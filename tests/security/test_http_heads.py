"""Requests that are endless, too large or ambiguous are refused, and occupy nothing for long."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import gevent
import gevent.ssl
import pytest
import trustme

from tests.promises import Promise
from tests.security.http_serving import (
    HOST,
    EchoServer,
    connect,
    connect_without_reading,
    parse_response,
    quick,
    read_all,
    request,
    response_to,
    serving,
)
from tests.waiting import wait_until
from zinfo.adapters.wsgi.request_head import MAX_HEAD_BYTES, MAX_HEADERS


@pytest.fixture
def http_server() -> Iterator[EchoServer]:
    with serving() as running:
        yield running


def drip(connection: gevent.socket.socket, data: bytes) -> int:
    """Send byte by byte until the peer closes; return the number of bytes sent."""
    for number, byte in enumerate(data):
        try:
            connection.sendall(bytes([byte]))
        except OSError:
            return number
        gevent.sleep(0.02)
    return len(data)


@pytest.mark.parametrize("before", [b"", request("/first").replace(b"Connection: close\r\n", b"")])
def test_a_head_sent_byte_by_byte_has_a_total_time_limit(before: bytes, promise: Promise) -> None:
    with (
        serving(times=quick(head=0.3)) as http_server,
        closing(connect(http_server, before)) as connection,
    ):
        dripping = gevent.spawn(drip, connection, b"GET / HTTP/1.1\r\n" + b"X-Y: zzzz\r\n" * 1000)
        read = read_all(connection)
        taken = dripping.get()
    promise(
        f"a head byte by byte, {'after another request' if before else 'first of its connection'}",
        "408 after the timeout of the whole head",
        f"{taken} bytes were taken",
    )
    assert b"HTTP/1.1 408 " in read
    assert taken < 1000
    assert len(http_server.requested) == bool(before)


def test_a_silent_connection_is_closed() -> None:
    with serving(times=quick(head=0.2)) as http_server, closing(connect(http_server)) as connection:
        assert parse_response(read_all(connection)).status == 408
    with (
        serving(times=quick(idle=0.2)) as http_server,
        closing(connect(http_server, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")) as connection,
    ):
        assert read_all(connection).count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(b"GET /" + b"x" * (6 << 20), 414, id="a request line of 6 MB"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (6 << 20), 431, id="a header of 6 MB"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * (1 << 20), 431, id="a million headers"
        ),
        pytest.param(b"\r\n" * (1 << 20), 400, id="a million empty lines"),
    ],
)
def test_a_head_that_is_too_large_is_refused(
    http_server: EchoServer, data: bytes, status: int, promise: Promise
) -> None:
    with closing(connect(http_server)) as connection:
        sending = gevent.spawn(_send, connection, data)
        response = parse_response(read_all(connection))
        sending.get()
    promise(
        f"a head of {len(data) >> 20} MB begins with {data[:30]!r}",
        f"{status} and closed",
        f"{response.status}, connection: {response.headers.get('connection')}",
    )
    assert response.status in {status, 0}, "0: the response was lost, as data was still being sent"
    assert http_server.refusals == [status]
    assert not http_server.requested


def _send(connection: gevent.socket.socket, data: bytes) -> None:
    with suppress(OSError):
        connection.sendall(data)


def test_a_head_slightly_too_large_gets_an_error_response(http_server: EchoServer) -> None:
    whole = request("/fits", f"X: {'x' * (MAX_HEAD_BYTES - 200)}")
    assert response_to(http_server, whole).status == 200
    response = response_to(http_server, request("/", f"X: {'x' * MAX_HEAD_BYTES}"))
    assert response.status == 431
    assert b"16384 bytes" in response.body
    assert response_to(http_server, request("/", *["X: y"] * (MAX_HEADERS + 1))).status == 431
    assert response_to(http_server, request("/" + "x" * 8200)).status == 414
    assert response_to(http_server, request("/" + "\xe9" * 4000)).status == 414, (
        "percent-encoded it is"
    )


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1_0",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: \xb2",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x, chunked",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length : 1",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n folded",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rHost: b",
        b"GET / HTTP/2.0\r\nHost: localhost",
        b"GET / HTTP/1\r\nHost: localhost",
        b"GET / HTTP/x.y\r\nHost: localhost",
        b"GET  / HTTP/1.1\r\nHost: localhost",
        b"GET\t/ HTTP/1.1\r\nHost: localhost",
        b"GET /",
        b"GET relative HTTP/1.1\r\nHost: localhost",
        b"CONNECT a:1 HTTP/1.1\r\nHost: localhost",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_an_ambiguous_head_is_a_400(
    http_server: EchoServer, head: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    response = response_to(http_server, head + b"\r\n\r\n")
    assert response.status == 400
    assert not http_server.requested
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert capfd.readouterr() == ("", ""), "no traceback"


def test_an_unusual_but_unambiguous_head_is_served(http_server: EchoServer) -> None:
    assert response_to(http_server, b"\r\n" + request("/a")).body == b"/a of : "
    assert response_to(http_server, b"GET /b HTTP/1.0\r\n\r\n").status == 200
    assert response_to(http_server, request("/c").replace(b"\r\n", b"\n")).status == 200
    assert response_to(http_server, request("*", method="OPTIONS")).status == 200
    assert response_to(http_server, request("/\xc3\xa9")).body == b"/\xc3\x83\xc2\xa9 of : "
    posted = request("/d", "Content-Length: 2", method="POST") + b"hi"
    assert response_to(http_server, posted).body == b"/d of : hi"
    expecting = request("/d", "Content-Length: 2", "Expect: 100-continue", method="POST")
    assert response_to(http_server, expecting + b"hi").status == 100


def test_a_body_has_a_total_time_limit_and_no_bytes_beyond_its_length_are_read(
    promise: Promise,
) -> None:
    posted = request("/", "Content-Length: 900", method="POST")
    with (
        serving(times=quick(body=0.3)) as http_server,
        closing(connect(http_server, posted)) as connection,
    ):
        dripping = gevent.spawn(drip, connection, b"x" * 900)
        response = parse_response(read_all(connection))
        taken = dripping.get()
        promise("a body byte by byte", "408 after its timeout", f"{response.status}, {taken} bytes")
        assert response.status == 408
        assert not http_server.requested
    upgrade = request("/", "Upgrade: websocket", method="POST").replace(b"close", b"upgrade")
    with (
        serving() as http_server,
        closing(connect(http_server, upgrade + b"x" * 100)) as connection,
    ):
        wait_until(lambda: http_server.requested, what="the request", sleep=gevent.sleep)
        connection.shutdown(1)
        assert b"/ of : " in read_all(connection), "what is no body is not read as one"


def test_endless_requests_yield_to_others(promise: Promise) -> None:
    """All requests have arrived before the first response, so the server never has to wait."""
    many = 1000
    http_server = EchoServer()
    whole = request("/a").replace(b"Connection: close\r\n", b"") * (many - 1) + request("/end")
    with closing(connect(http_server, whole)) as connection:
        seen = [0]

        def look() -> None:
            while seen[-1] < many:
                seen.append(len(http_server.requested))
                gevent.sleep(0.0001)

        looking = gevent.spawn(look)
        http_server.start()
        assert read_all(connection).count(b"HTTP/1.1 200") == many
        looking.get()
    http_server.stop()
    most = max(after - before for before, after in itertools.pairwise(seen))
    promise(
        f"{many} requests at once",
        "others are served between them",
        f"{most} per iteration",
    )
    assert most < many / 4


def test_a_tls_handshake_sent_byte_by_byte_has_a_total_time_limit(promise: Promise) -> None:
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(HOST).configure_cert(context)
    with (
        serving(times=quick(head=0.3), tls=context) as http_server,
        closing(connect(http_server)) as connection,
    ):
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
        dripping = gevent.spawn(drip, connection, hello)
        read_all(connection)
        taken = dripping.get()
        http_server.stop()
    promise("a TLS handshake byte by byte", "closed after its timeout", f"{taken} bytes accepted")
    assert taken < len(hello)


def test_a_client_that_does_not_read_is_disconnected(promise: Promise) -> None:
    with serving(times=quick(send=0.3)) as http_server, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(closing(connect_without_reading(http_server, "/large")))
        wait_until(lambda: len(http_server.requested) == 3, what="the requests", sleep=gevent.sleep)
        wait_until(lambda: not http_server.connections, 30, "them to be closed", sleep=gevent.sleep)
        promise("a response of 100 MB is not read", "closed after a timeout", "3 of 3 closed")
