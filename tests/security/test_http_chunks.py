"""Long chunks of a response arrive whole, also over TLS and if the client reads slowly."""

from __future__ import annotations

import ssl
from contextlib import closing

import gevent.socket
import gevent.ssl
import pytest
import trustme

from tests.security.http_serving import HOST, TIMEOUT, request, serving

CHUNK = 1 << 20


@pytest.mark.parametrize("is_tls", [False, True])
def test_long_chunks_arrive_whole(is_tls: bool) -> None:
    tls = None
    if is_tls:
        tls = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert(HOST).configure_cert(tls)
    with (
        serving(tls=tls) as http_server,
        closing(_connect(http_server.port, is_tls)) as connection,
    ):
        connection.sendall(request("/large"))
        with connection.makefile("rb") as response:
            while response.readline() != b"\r\n":
                pass
            for _ in range(5):
                assert response.readline() == b"100000\r\n"
                assert response.read(CHUNK) == bytes(CHUNK)
                assert response.read(2) == b"\r\n"


def _connect(port: int, is_tls: bool) -> gevent.socket.socket:
    connection = gevent.socket.socket()
    connection.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_RCVBUF, 4096)
    connection.settimeout(TIMEOUT)
    connection.connect((HOST, port))
    if not is_tls:
        return connection
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)
