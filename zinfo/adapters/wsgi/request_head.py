"""The head of an HTTP request: read within a size, and checked for one meaning only.

A head that two programs can read differently is refused: that is how a request is smuggled past a
proxy, or a Host check. The caller bounds the time. Grammar: RFC 9112.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

from zinfo.adapters.wsgi.rejection import Refused

MAX_HEAD_BYTES: Final = 16_384
"""Bytes of a request line and its headers together."""

MAX_LINE_BYTES: Final = 8_190
"""Bytes of a request line."""

MAX_HEADERS: Final = 96
"""Header lines of one request; fewer than http.client takes."""

_REQUEST_LINE: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([^\x00- \x7f]+) HTTP/1\.([01])"
)
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_LENGTH: Final = re.compile("[0-9]{1,18}")
_ONCE: Final = ("host", "content-length", "authorization", "sec-fetch-site", "origin")
_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))


class Head(NamedTuple):
    """A request line and its headers.

    Attributes:
        line: method, target as path and query, and version; without the line's end.
        headers: their lines, and the empty one that ends them.
        method: such as GET.
        host: the host that the client asks for: of an absolute target, else of the Host header;
            None where an old client (HTTP/1.0) names none.
    """

    line: str
    headers: bytes
    method: str
    host: str | None


class Lines(Protocol):
    """Where a head is read from: a buffered file."""

    def readline(self, size: int, /) -> bytes:
        """Return the bytes up to the end of a line, at most `size`."""


def read_head(lines: Lines) -> Head | None:
    """Return the next request's head; None where the client has closed the connection.

    Raises:
        Refused: it is too large, or not HTTP/1.0 or HTTP/1.1.
    """
    line = _end_less(lines.readline(MAX_LINE_BYTES + 3))
    if line == b"":  # one empty line before a request is for the client to send, RFC 9112, 2.2
        line = _end_less(lines.readline(MAX_LINE_BYTES + 3))
    if line is None:
        return None
    if len(line) > MAX_LINE_BYTES:
        raise _too_long()
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise _bad("expected a request line such as: GET /path HTTP/1.1")
    left = MAX_HEAD_BYTES - len(line)
    headers: list[bytes] = []
    values: dict[str, str] = {}
    while True:
        raw = lines.readline(left + 1)
        left -= len(raw)
        if left < 0 or len(headers) > MAX_HEADERS:
            raise Refused(
                "431 Request Header Fields Too Large",
                f"a request line and its headers may have {MAX_HEAD_BYTES} bytes and "
                f"{MAX_HEADERS} headers",
            )
        headers.append(raw)
        header = _end_less(raw)
        if header is None:
            return None  # the client went in the middle
        if not header:
            break
        _take(header, values)
    return _head(found, b"".join(headers), values)


def _end_less(line: bytes) -> bytes | None:
    """Return a line without its end; None where there is none, as the connection was closed."""
    return line.removesuffix(b"\n").removesuffix(b"\r") if line else None


def _take(header: bytes, values: dict[str, str]) -> None:
    found = _HEADER.fullmatch(header)
    if found is None:
        raise _bad("a header is not of the form NAME: VALUE")
    name = found[1].decode().lower()
    if name in values and name in _ONCE:
        raise _bad(f"more than one header {name}")
    values[name] = found[2].decode("latin-1").rstrip(" \t")


def _head(line: re.Match[bytes], headers: bytes, values: dict[str, str]) -> Head:
    method, version = line[1].decode(), line[3].decode()
    # Bytes that should have been percent-encoded, and were not, mean the same when they are.
    target = quote(line[2], safe=_ASCII)
    host = values.get("host")
    if "transfer-encoding" in values:
        raise _bad("a body needs a Content-Length; transfer encodings are not supported")
    if not _LENGTH.fullmatch(values.get("content-length", "0")):
        raise _bad("Content-Length is not a number")
    if host is None and version == "1":
        raise _bad("the header Host is missing")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute:
        host, target = absolute[1], absolute[2] or "/"
        target = target if target.startswith("/") else f"/{target}"
    elif not target.startswith("/") and target != "*":
        raise _bad("the request target is neither a path nor a URL")
    if len(method) + len(target) > MAX_LINE_BYTES - len("  HTTP/1.1"):
        raise _too_long()
    return Head(f"{method} {target} HTTP/1.{version}", headers, method, host)


def _too_long() -> Refused:
    return Refused("414 URI Too Long", f"a request line may have {MAX_LINE_BYTES} bytes")


def _bad(message: str) -> Refused:
    return Refused("400 Bad Request", message)
