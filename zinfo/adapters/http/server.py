"""HttpServer: metrics, JSON API, event stream and health endpoints at one address."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import falcon

from zinfo._version import __version__
from zinfo.adapters.http.api import operation_resource
from zinfo.adapters.http.auth import OPEN_PATHS, AuthMiddleware
from zinfo.adapters.http.bodies import LongBodies
from zinfo.adapters.http.health import Health, Readiness
from zinfo.adapters.http.metrics import Metrics, ShardMetrics
from zinfo.adapters.http.openapi import document
from zinfo.adapters.http.responses import (
    handle_request_error,
    serialize_http_error,
    set_error,
    set_json,
)
from zinfo.adapters.http.routes import ROUTES
from zinfo.adapters.http.sd import ServiceDiscovery
from zinfo.adapters.http.stream import Streams
from zinfo.adapters.wsgi.client_quotas import ClientQuotas, Network
from zinfo.adapters.wsgi.host_names import HostNames
from zinfo.adapters.wsgi.server import WsgiServer
from zinfo.errors import RequestError
from zinfo.health.stats import Stats
from zinfo.loop.yielding import CooperativeYield
from zinfo.metrics.selection import Selection
from zinfo.metrics.self_metrics import SelfMetrics
from zinfo.query.operations import Operations
from zinfo.security.tokens import Tokens
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.source import SnapshotSource
from zinfo.wire.identity import Identity

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NAME = "HTTP server"

LINKS = "/paths"
"""Path of the links to all other paths, where the page for browsers is at `/`."""

_PAGE = """<!doctype html><meta charset="utf-8"><title>zinfo {version}</title>
<h1>zinfo {version}</h1>
<ul>{links}</ul>
"""
_MAX_BODY = 65536  # in bytes; no route uses the body

MAX_STREAMS = 100
"""Streams of events and tables that may be open: less than half of the server's connections."""


class MountedPage(NamedTuple):
    """The page for browsers, as the paths that it adds to those of the server.

    Attributes:
        routes: resources by path.
        open_paths: those that need no authentication, as they reveal nothing.
        described: OpenAPI path items, by path.
        quotas: bounds the number of its streams; the server's other streams count there, too.
    """

    routes: Mapping[str, Any]
    open_paths: frozenset[str]
    described: Mapping[str, Mapping[str, Any]]
    quotas: ClientQuotas


class HttpDependencies(NamedTuple):
    """The parts of a daemon that the HTTP server uses.

    Attributes:
        operations: runs the requests of the API.
        publisher: the live shards.
        poller: source of snapshots and events.
        identity: of the daemon.
        stats: counters of the daemon.
        report: called with the name of a component and an unexpected exception in it.
        selection: which metrics and labels are exposed.
    """

    operations: Operations
    publisher: ShardPublisher
    poller: SnapshotSource
    identity: Identity
    stats: Stats
    report: Callable[[str, BaseException], None]
    selection: Selection


class HttpServer(WsgiServer):
    """Serves the cached snapshots over HTTP.

    Args:
        host: name or address to listen at, without brackets.
        port: to listen at; 0 for any free port.
        dependencies: the parts of the daemon that it uses.
        tokens: the clients that are authorised; None authorises every client.
        tls: TLS context; None for plain HTTP.
        allowed_hosts: host names that it accepts, in addition to localhost and addresses; `*` for
            any. If it is empty and `tokens` is given, any name is accepted.
        proxies: networks of addresses that many clients share.
        page: the page for browsers, which is served at `/`; None for a list of links there.

    Raises:
        EnvironmentNotReadyError: the address cannot be bound.
    """

    pages = ("/",)
    health = OPEN_PATHS

    def __init__(
        self,
        host: str,
        port: int,
        dependencies: HttpDependencies,
        *,
        tokens: Tokens | None = None,
        tls: ssl.SSLContext | None = None,
        allowed_hosts: Collection[str] = (),
        proxies: Sequence[Network] = (),
        page: MountedPage | None = None,
    ) -> None:
        self._report = dependencies.report
        publisher, poller = dependencies.publisher, dependencies.poller
        selection, stats = dependencies.selection, dependencies.stats.http
        self._responses = stats.answers
        self_metrics = SelfMetrics(
            dependencies.stats,
            publisher.count_states,
            lambda: poller.events.newest,
            lambda: count_bad_lines(publisher),
            dependencies.operations.sources.source_statuses,
            dependencies.operations.sources.slice,
        )
        self._auth = AuthMiddleware(tokens, page.open_paths if page else ())
        middleware: list[Any] = [self._auth, self]
        app = falcon.App(middleware=middleware)
        app.set_error_serializer(serialize_http_error)
        app.add_error_handler(RequestError, handle_request_error)
        app.add_error_handler(Exception, self._handle_unexpected)
        operations = dependencies.operations
        bodies = LongBodies()
        quotas = page.quotas if page else ClientQuotas(MAX_STREAMS)
        routes = {
            LINKS if page else "/": self,
            "/metrics": Metrics(publisher, selection, self_metrics, stats, bodies),
            "/scrape": ShardMetrics(publisher, selection, stats, bodies),
            "/healthz": Health(),
            "/sd": ServiceDiscovery(publisher, operations.sources, bodies),
            "/readyz": Readiness(publisher, operations.sources),
            "/api/v1/stream": Streams(poller, dependencies.identity, stats, quotas),
            "/api/v1/openapi.json": _Document(page.described if page else {}),
            **{path: operation_resource(operations, route) for path, route in ROUTES.items()},
        }
        linked = [
            path for path, one in routes.items() if hasattr(one, "on_get") and one is not self
        ]
        for path, resource in (routes | dict(page.routes if page else {})).items():
            app.add_route(path, resource)
        self._app = app
        links = "".join(f'<li><a href="{path}">{path}</a>' for path in linked)
        self._page = _PAGE.format(version=__version__, links=links)
        # With tokens DNS rebinding is harmless: the page of an attacker has no token.
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
        """Return the name of the client that sent a request; "" if it has none."""
        return self._auth.client_of(environ)

    def count_rejected(self, status: int) -> None:
        """Count a request that was rejected before it reached a route."""
        self._responses["other", str(status)] += 1

    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Serve one HTTP request; a WSGI application (PEP 3333)."""
        start: Any = start_response  # falcon's type for it differs between versions
        return self._app(environ, start)

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Respond with links to all paths: at `/`, or at `/paths` if the page is there."""
        response.content_type = falcon.MEDIA_HTML
        response.text = self._page

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        _resource: object,
        _succeeded: bool,
    ) -> None:
        """Count a response; falcon calls this."""
        path = request.uri_template or "other"
        self._responses[path, str(response.status_code)] += 1

    def _handle_unexpected(
        self,
        _request: falcon.Request,
        response: falcon.Response,
        error: Exception,
        _params: object,
    ) -> None:
        self._report(NAME, error)
        set_error(response, falcon.HTTP_500, "internal", "internal error; see the daemon's log")


class _Document:
    """`/api/v1/openapi.json`.

    Args:
        more: OpenAPI path items of other paths than the server's own.
    """

    def __init__(self, more: Mapping[str, Mapping[str, Any]]) -> None:
        self._document = document(more)

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Respond with the OpenAPI document."""
        set_json(response, self._document)


def count_bad_lines(publisher: ShardPublisher) -> int:
    """Return the number of bad lines in all shards' newest INFO; yields to the event loop."""
    yielder, bad_lines = CooperativeYield(low_priority=True), 0
    for shard in publisher.get_live_shards():
        yielder.maybe_yield()
        bad_lines += shard.snapshot.bad_lines if shard.snapshot else 0
    return bad_lines
