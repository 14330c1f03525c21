"""Requests to the HTTP server: status, headers and body of a response, including errors."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

TIMEOUT = 60.0  # seconds; only against a hang


class Response(NamedTuple):
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded from JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def fetch(
    url: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    tls: ssl.SSLContext | None = None,
) -> Response:
    """Return the response to one request on a new connection.

    Args:
        url: of the server.
        path: with its query, without the first slash.
        headers: of the request.
        method: of the request.
        tls: for a server that speaks TLS.
    """
    with _connection(url, tls) as connection:
        connection.request(method, f"/{path}", headers=dict(headers or {}))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Response(answer.status, found, answer.read())


class Message(NamedTuple):
    """One server-sent event."""

    kind: str
    data: Any
    ident: str = ""


@contextmanager
def stream(
    url: str, path: str, headers: Mapping[str, str] | None = None
) -> Iterator[Iterator[Message]]:
    """Yield the messages of a stream as they arrive.

    Args:
        url: of the server.
        path: with its query, without the first slash.
        headers: of the request.
    """
    with _connection(url, None) as connection:
        connection.request("GET", f"/{path}", headers=dict(headers or {}))
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        with answer:
            yield _messages(answer)


def _messages(answer: http.client.HTTPResponse) -> Iterator[Message]:
    fields: dict[str, str] = {}
    for line in answer:
        name, colon, value = line.decode().rstrip("\n").partition(": ")
        if colon:
            fields[name] = value
        elif fields:
            yield Message(fields["event"], json.loads(fields["data"]), fields.get("id", ""))
            fields = {}


@contextmanager
def _connection(url: str, tls: ssl.SSLContext | None) -> Iterator[http.client.HTTPConnection]:
    place = urlsplit(url)
    host, port = place.hostname or "", place.port
    if tls is None:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    else:
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=tls)
    try:
        yield connection
    finally:
        connection.close()
