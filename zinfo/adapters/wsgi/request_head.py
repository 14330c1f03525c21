"""Reads the head of an HTTP request within a size limit, and rejects ambiguous heads.

A head that two programs can parse differently allows request smuggling past a proxy or a Host
check. The caller limits the time. Grammar: RFC 9112.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

from zinfo.adapters.wsgi.rejection import RequestRejected

MAX_HEAD_BYTES: Final = 16_384
"""Maximum size of a request line and its headers together, in bytes."""

MAX_LINE_BYTES: Final = 8_190
"""Maximum size of a request line, in bytes."""

MAX_HEADERS: Final = 96
"""Maximum number of headers; fewer than http.client accepts."""

_REQUEST_LINE: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([^\x00- \x7f]+) HTTP/1\.([01])"
)
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_LENGTH: Final = re.compile("[0-9]{1,18}")
_ONCE: Final = ("host", "content-length", "authorization", "sec-fetch-site", "origin")
_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))


class RequestHead(NamedTuple):
    """A request line and its headers.

    Attributes:
        line: method, target (path and query) and version, without the line ending.
        headers: the header lines and the empty line that ends them.
        method: such as GET.
        host: the requested host, from an absolute target or else from the Host header; None if an
            HTTP/1.0 client sends neither.
    """

    line: str
    headers: bytes
    method: str
    host: str | None


class LineReader(Protocol):
    """What a head is read from: a buffered file."""

    def readline(self, size: int, /) -> bytes:
        """Return the bytes up to the end of a line, at most `size`."""


def read_head(source: LineReader) -> RequestHead | None:
    """Return the head of the next request; None if the client has closed the connection.

    Raises:
        RequestRejected: it is too large, or not HTTP/1.0 or HTTP/1.1.
    """
    line = _without_line_ending(source.readline(MAX_LINE_BYTES + 3))
    if line == b"":  # a client may send one empty line before a request: RFC 9112, 2.2
        line = _without_line_ending(source.readline(MAX_LINE_BYTES + 3))
    if line is None:
        return None
    if len(line) > MAX_LINE_BYTES:
        raise _too_long()
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise _bad_request("expected a request line such as: GET /path HTTP/1.1")
    left = MAX_HEAD_BYTES - len(line)
    headers: list[bytes] = []
    values: dict[str, str] = {}
    while True:
        raw = source.readline(left + 1)
        left -= len(raw)
        if left < 0 or len(headers) > MAX_HEADERS:
            raise RequestRejected(
                "431 Request Header Fields Too Large",
                f"a request line and its headers may have {MAX_HEAD_BYTES} bytes and "
                f"{MAX_HEADERS} headers",
            )
        headers.append(raw)
        header = _without_line_ending(raw)
        if header is None:
            return None  # the client closed the connection inside the head
        if not header:
            break
        _add_header(header, values)
    return _request_head(found, b"".join(headers), values)


def _without_line_ending(line: bytes) -> bytes | None:
    """Return a line without its CR LF or LF; None at the end of the stream."""
    return line.removesuffix(b"\n").removesuffix(b"\r") if line else None


def _add_header(header: bytes, values: dict[str, str]) -> None:
    found = _HEADER.fullmatch(header)
    if found is None:
        raise _bad_request("a header is not of the form NAME: VALUE")
    name = found[1].decode().lower()
    if name in values and name in _ONCE:
        raise _bad_request(f"more than one header {name}")
    values[name] = found[2].decode("latin-1").rstrip(" \t")


def _request_head(line: re.Match[bytes], headers: bytes, values: dict[str, str]) -> RequestHead:
    method, version = line[1].decode(), line[3].decode()
    # Percent-encode the bytes that the client should have encoded; the meaning does not change.
    target = quote(line[2], safe=_ASCII)
    host = values.get("host")
    if "transfer-encoding" in values:
        raise _bad_request("a body needs a Content-Length; transfer encodings are not supported")
    if not _LENGTH.fullmatch(values.get("content-length", "0")):
        raise _bad_request("Content-Length is not a number")
    if host is None and version == "1":
        raise _bad_request("the header Host is missing")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute:
        host, target = absolute[1], absolute[2] or "/"
        target = target if target.startswith("/") else f"/{target}"
    elif not target.startswith("/") and target != "*":
        raise _bad_request("the request target is neither a path nor a URL")
    if len(method) + len(target) > MAX_LINE_BYTES - len("  HTTP/1.1"):
        raise _too_long()
    return RequestHead(f"{method} {target} HTTP/1.{version}", headers, method, host)


def _too_long() -> RequestRejected:
    return RequestRejected("414 URI Too Long", f"a request line may have {MAX_LINE_BYTES} bytes")


def _bad_request(message: str) -> RequestRejected:
    return RequestRejected("400 Bad Request", message)
