"""HttpSource: shards from an HTTP server that speaks Prometheus' http_sd."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from functools import partial
from http.client import HTTPResponse
from typing import NamedTuple

import gevent

from zinfo._version import __version__
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.source import Source
from zinfo.discovery.sources.decoding import decode_target_groups
from zinfo.discovery.sources.file_thread import FileThread
from zinfo.discovery.sources.http_body import Body, read_body
from zinfo.discovery.sources.http_files import HttpFiles, TlsContexts
from zinfo.discovery.sources.http_request import get, status_text
from zinfo.discovery.sources.http_url import HttpUrl, parse_http_url
from zinfo.discovery.sources.target_groups import GroupFormat
from zinfo.discovery.target import Answer
from zinfo.errors import SourceError
from zinfo.wire.redact import redact_url

URL_LABEL = "__meta_url"
"""Label that Prometheus sets as well: the URL, here without its query."""

MAX_REDIRECTS = 5
"""Redirects that are followed for one read."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

# matchContentType in discovery/http/http.go of Prometheus.
_CONTENT_TYPE = re.compile(r'application/json(;\s*charset=("utf-8"|utf-8))?', re.IGNORECASE)
_ETAG = re.compile(r'(W/)?"[!#-~]{0,1000}"')


class _Reply(NamedTuple):
    """A reply with targets.

    Attributes:
        url: where it came from, after redirects.
        etag: its entity tag; "" without one.
        body: None if it is still that with the entity tag that was sent (304).
    """

    url: HttpUrl
    etag: str
    body: Body | None


class HttpSource(Source):
    """Lists the targets that an HTTP server lists.

    The request is that of Prometheus. Proxies in the environment are not used. Redirects are
    followed, but the credentials and the client's certificate are sent only to the scheme, host and
    port of `url`.

    Args:
        name: unique name of the source.
        url: http or https URL, without user and password.
        rules: make the targets.
        scheme: `redis` or `rediss`, for targets that name none.
        refresh: seconds between two reads.
        token_file: file whose first line is a bearer token; read for each request, as the next one.
        username: user for basic authentication.
        password_file: file whose first line is the password for it.
        ca_file: PEM file of the authorities that may sign the server's certificate; None for the
            system's.
        cert_file: PEM file of the client's certificate.
        key_file: PEM file of the client's key.
        timeout: seconds in which the whole reply must arrive.

    Raises:
        ValueError: the URL cannot be used.
    """

    kind = "http"

    def __init__(  # noqa: PLR0913 - each is a key of the configuration
        self,
        name: str,
        url: str,
        rules: TargetRules,
        *,
        scheme: str = "redis",
        refresh: float = 60.0,
        token_file: str | None = None,
        username: str | None = None,
        password_file: str | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        super().__init__(name, refresh)
        self._url = parse_http_url(url)
        self._files = HttpFiles(token_file, username, password_file, ca_file, cert_file, key_file)
        self._contexts = TlsContexts(self._files)
        self._timeout = timeout
        self._thread = FileThread(timeout)
        label = redact_url(url).partition("?")[0]
        self._form = GroupFormat(rules, scheme=scheme, labels={URL_LABEL: label})
        self._digest = b""  # of the body of the last answer
        self._etag: tuple[HttpUrl, str] | None = None  # of that body, and where it came from

    def read(self) -> Answer | None:
        """Return the targets of the server; None if its reply is the same as the last one.

        Raises:
            SourceError: there is no reply in time, or it cannot be used.
        """
        reply = self._fetch_in_time()
        if reply.body is None:
            return None
        answer = None
        if reply.body.digest != self._digest:
            answer = decode_target_groups(reply.body.parts, self._form)
            self._digest = reply.body.digest
        self._etag = (reply.url, reply.etag) if reply.etag else None
        return answer

    def close(self) -> None:
        """Forget what was given, so that the first read after another start returns it all."""
        self._digest, self._etag = b"", None

    def _fetch_in_time(self) -> _Reply:
        limit = gevent.Timeout(self._timeout)
        try:
            with limit:
                return self._fetch()
        except gevent.Timeout as error:
            if error is not limit:
                raise
            raise SourceError(f"no whole reply within {self._timeout:g} s") from None

    def _fetch(self) -> _Reply:
        """Send the request, and those to which it is redirected."""
        url = self._url
        for _ in range(MAX_REDIRECTS + 1):
            with get(url, self._headers(url), self._timeout, self._context(url)) as response:
                if response.status not in _REDIRECTS:
                    return self._reply(url, response)
                location = response.getheader("Location", "")
            try:
                following = url.follow(location)
            except ValueError as error:
                raise SourceError(f"it redirects to a URL that cannot be used: {error}") from None
            if url.origin.scheme == "https" and following.origin.scheme != "https":
                raise SourceError("it redirects from https to http")
            url = following
        raise SourceError(f"it redirects more than {MAX_REDIRECTS} times")

    def _headers(self, url: HttpUrl) -> dict[str, str]:
        seconds = f"{self.interval:f}".rstrip("0").rstrip(".")
        headers = {
            "User-Agent": f"zinfo/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "X-Prometheus-Refresh-Interval-Seconds": seconds,
            "Connection": "close",
        }
        if self._etag is not None and self._etag[0] == url:
            headers["If-None-Match"] = self._etag[1]
        if url.origin == self._url.origin:
            authorization = self._thread.run(self._files.authorization)
            if authorization is not None:
                headers["Authorization"] = authorization
        return headers

    def _context(self, url: HttpUrl) -> ssl.SSLContext | None:
        if url.origin.scheme != "https":
            return None
        own = url.origin == self._url.origin
        make: Callable[[], ssl.SSLContext] = partial(self._contexts.get, with_certificate=own)
        return self._thread.run(make)

    def _reply(self, url: HttpUrl, response: HTTPResponse) -> _Reply:
        asked = self._etag is not None and self._etag[0] == url
        if response.status == 304 and asked:
            return _Reply(url, "", None)
        if response.status != 200:
            raise SourceError(status_text(response.status))
        if not _CONTENT_TYPE.fullmatch(response.getheader("Content-Type", "").strip()):
            raise SourceError("its content type is not application/json")
        etag = response.getheader("ETag", "")
        return _Reply(url, etag if _ETAG.fullmatch(etag) else "", read_body(response))
