"""HttpUrl: the parts of an http or https URL that a request needs. Pure."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from zinfo.wire.addresses import check_host

_PORTS = {"http": 80, "https": 443}
_SAFE = "/%:=&?~#+!$,;'@()*[]"  # of a path and a query that may be encoded already


class Origin(NamedTuple):
    """What a request connects to; credentials are sent to one origin only."""

    scheme: str
    host: str
    port: int


class HttpUrl(NamedTuple):
    """A parsed URL.

    Attributes:
        origin: scheme, host (in lower case, without brackets) and port.
        target: path and query.
    """

    origin: Origin
    target: str

    @property
    def url(self) -> str:
        """The URL, without a fragment."""
        scheme, host, port = self.origin
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{self.target}"

    def follow(self, location: str) -> HttpUrl:
        """Return the URL that a reply redirects to.

        Raises:
            ValueError: it cannot be used; the message repeats no part of it.
        """
        return parse_http_url(urljoin(self.url, location))


def parse_http_url(url: str) -> HttpUrl:
    """Parse an http or https URL.

    Raises:
        ValueError: it is not valid, or has a user or password; the message repeats no part of it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("it is not a URL") from None
    if parts.scheme not in _PORTS:
        raise ValueError("expected http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("it has a user or password, expected them in username and password_file")
    check_host(f"[{host}]" if ":" in host else host)
    if host == "*" or port == 0:
        raise ValueError("its host or port is not valid")
    path = quote(parts.path or "/", safe=_SAFE)
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    return HttpUrl(Origin(parts.scheme, host, port or _PORTS[parts.scheme]), path + query)
