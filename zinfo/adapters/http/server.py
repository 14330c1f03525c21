"""HttpServer: metrics, API, stream and health at one address."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import falcon

from zinfo._version import __version__
from zinfo.adapters.http.api import Api
from zinfo.adapters.http.auth import OPEN_PATHS, Guard
from zinfo.adapters.http.health import Health, Readiness
from zinfo.adapters.http.metrics import Metrics, OneShard
from zinfo.adapters.http.openapi import document
from zinfo.adapters.http.responses import as_json, put, put_error, refused
from zinfo.adapters.http.routes import QUESTIONS
from zinfo.adapters.http.stream import Streams
from zinfo.adapters.wsgi.client_shares import Network
from zinfo.adapters.wsgi.host_names import HostNames
from zinfo.adapters.wsgi.server import WsgiServer
from zinfo.errors import RequestError
from zinfo.health.stats import Stats
from zinfo.metrics.selection import Selection
from zinfo.metrics.self_metrics import OwnMetrics
from zinfo.query.operations import Operations
from zinfo.security.tokens import Tokens
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.source import SnapshotSource
from zinfo.wire.identity import Identity

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NAME = "HTTP door"

_PAGE = """<!doctype html><meta charset="utf-8"><title>zinfo {version}</title>
<h1>zinfo {version}</h1>
<ul>{links}</ul>
"""
_MAX_BODY = 65536  # nothing here takes one


class Told(NamedTuple):
    """What of a daemon the door tells.

    Attributes:
        operations: answer the API's questions.
        publisher: the live shards.
        poller: gives snapshots and events.
        identity: of the daemon.
        stats: its counters.
        report: called with the name of a part and an unexpected exception of it.
        selection: which metrics.
    """

    operations: Operations
    publisher: ShardPublisher
    poller: SnapshotSource
    identity: Identity
    stats: Stats
    report: Callable[[str, BaseException], None]
    selection: Selection


class HttpServer(WsgiServer):
    """Serves the cache over HTTP.

    Args:
        host: name or address to listen at, without brackets.
        port: to listen at; 0 for one that is free.
        told: what it tells.
        tokens: the clients that are let in; None lets in all who reach the door.
        tls: makes the door speak TLS.
        allowed_hosts: names under which it answers, beside localhost and addresses; `*` for any.
            Where it knows its clients and there are none, it answers under any.
        proxies: networks whose addresses have many clients behind them.

    Raises:
        EnvironmentNotReadyError: the address cannot be bound.
    """

    pages = ("/",)
    health = OPEN_PATHS

    def __init__(
        self,
        host: str,
        port: int,
        told: Told,
        *,
        tokens: Tokens | None = None,
        tls: ssl.SSLContext | None = None,
        allowed_hosts: Collection[str] = (),
        proxies: Sequence[Network] = (),
    ) -> None:
        self._report = told.report
        publisher, poller, selection = told.publisher, told.poller, told.selection
        stats = told.stats.http
        self._answers = stats.answers
        own = OwnMetrics(told.stats, publisher.count_states, lambda: poller.events.newest)
        self._guard = Guard(tokens)
        middleware: list[Any] = [self._guard, self]
        app = falcon.App(middleware=middleware)
        app.set_error_serializer(as_json)
        app.add_error_handler(RequestError, refused)
        app.add_error_handler(Exception, self._failed)
        routes = {
            "/": self,
            "/metrics": Metrics(publisher, selection, own, stats),
            "/scrape": OneShard(publisher, selection, stats),
            "/healthz": Health(),
            "/readyz": Readiness(publisher),
            "/api/v1/stream": Streams(poller, told.identity, stats),
            "/api/v1/openapi.json": _Document(),
            **{path: Api(told.operations, question) for path, question in QUESTIONS.items()},
        }
        for path, resource in routes.items():
            app.add_route(path, resource)
        self._app = app
        links = "".join(f'<li><a href="{path}">{path}</a>' for path in routes if path != "/")
        self._page = _PAGE.format(version=__version__, links=links)
        # A page of another's that leads here under its own name has no token.
        any_name = tokens is not None and not allowed_hosts
        super().__init__(
            NAME,
            host,
            port,
            max_body=_MAX_BODY,
            tls=tls,
            names=None if any_name else HostNames([host, *allowed_hosts]),
            proxies=proxies,
        )

    def client_of(self, environ: WSGIEnvironment) -> str:
        """Return the name of the client that sent a request; "" where it has none."""
        return self._guard.client_of(environ)

    def count_refused(self, status: int) -> None:
        """Count a request that was refused before it came to a route."""
        self._answers["other", str(status)] += 1

    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one HTTP request; a WSGI application (PEP 3333)."""
        start: Any = start_response  # falcon's own type for it differs from one version to the next
        return self._app(environ, start)

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Answer at `/` with what there is."""
        response.content_type = falcon.MEDIA_HTML
        response.text = self._page

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        _resource: object,
        _succeeded: bool,
    ) -> None:
        """Count an answer; falcon calls this."""
        path = request.uri_template or "other"
        self._answers[path, str(response.status_code)] += 1

    def _failed(
        self,
        _request: falcon.Request,
        response: falcon.Response,
        error: Exception,
        _params: object,
    ) -> None:
        self._report(NAME, error)
        put_error(response, falcon.HTTP_500, "internal", "the daemon failed; see its log")


class _Document:
    """`/api/v1/openapi.json`."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Answer with the OpenAPI document."""
        put(response, document())
