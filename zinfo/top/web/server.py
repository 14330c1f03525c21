"""WebServer: serves the page and its streams of server-sent events."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import falcon
import gevent
import gevent.event

from zinfo.adapters.http.auth import acquire_quota
from zinfo.adapters.http.responses import encode, serialize_http_error
from zinfo.adapters.wsgi.client_quotas import ClientQuotas, ReleasingBody
from zinfo.adapters.wsgi.host_names import HostNames
from zinfo.adapters.wsgi.rejection import CONTENT_POLICY
from zinfo.adapters.wsgi.server import WsgiServer
from zinfo.top.source import Source
from zinfo.top.web import json_model
from zinfo.top.web.channels import Channels, FleetChannel, ShardChannel
from zinfo.top.web.fleet_view import FleetViewer
from zinfo.views.filtering import GRAMMAR, Filter, FilterError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NAME = "page"

MAX_STREAMS = 100
"""Pages that can be open at the same time."""

_FLEET_INTERVAL = 1.0  # seconds between two messages about all shards
_SHARD_INTERVAL = 0.5  # about one
_READ_SECONDS = 2.0  # that a new page waits at most, so that its first message has shards
_CHECK_SECONDS = 0.05  # between two checks for that
_PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/top.js": ("top.js", "text/javascript; charset=utf-8"),
    "/top.css": ("top.css", "text/css; charset=utf-8"),
}
_POLICY = (
    f"{CONTENT_POLICY}; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
)


class WebServer(WsgiServer):
    """Serves `zinfo top` to browsers.

    Args:
        source: owns the model.
        host: name or address to listen at, without brackets.
        port: to listen at; 0 for a free one.
        allowed_hosts: host names that requests may use besides localhost and addresses; `*` for
            any.

    Raises:
        EnvironmentNotReadyError: the address cannot be bound.
    """

    pages = ("/",)

    def __init__(
        self, source: Source, host: str, port: int, *, allowed_hosts: Iterable[str] = ()
    ) -> None:
        app = falcon.App()
        app.set_error_serializer(serialize_http_error)
        for path, (name, kind) in _PAGES.items():
            app.add_route(path, _Page(name, kind))
        quotas = ClientQuotas(MAX_STREAMS)
        app.add_route("/columns", _Columns(source.endpoint))
        app.add_route("/stream", _FleetStream(source, quotas))
        app.add_route("/shard", _ShardStream(source, quotas))
        self._app = app
        super().__init__(NAME, host, port, max_body=0, names=HostNames([host, *allowed_hosts]))

    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Serve one HTTP request; a WSGI application (PEP 3333)."""
        start: Any = start_response  # falcon's type for it differs between versions
        return self._app(environ, start)

    def serve(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        stopped = gevent.event.Event()
        handlers = [
            gevent.signal_handler(number, stopped.set) for number in (signal.SIGINT, signal.SIGTERM)
        ]
        self.start()
        stopped.wait()
        self.stop()
        for handler in handlers:
            handler.cancel()


class _Page:
    """One file of the page."""

    def __init__(self, name: str, kind: str) -> None:
        self._content = (files("zinfo.top.web") / "page" / name).read_bytes()
        self._kind = kind

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Return the file."""
        response.content_type = self._kind
        response.set_header("Content-Security-Policy", _POLICY)
        response.data = self._content


class _Columns:
    """What the page reads once, when it is loaded."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Return the table's columns, the filter's grammar, and the daemon's endpoint."""
        response.content_type = falcon.MEDIA_JSON
        response.data = encode(
            {"columns": json_model.columns(), "grammar": GRAMMAR, "endpoint": self._endpoint}
        )


class _FleetStream:
    """The table, the totals and the events."""

    def __init__(self, source: Source, quotas: ClientQuotas) -> None:
        viewer = FleetViewer(source)
        self._source = source
        self._channels = Channels(lambda text: FleetChannel(viewer, Filter(text)))
        self._quotas = quotas

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Stream the changes until the page is closed."""
        text = request.get_param("filter", default="")
        try:
            Filter(text)
        except FilterError as error:
            raise falcon.HTTPBadRequest(description=str(error)) from None
        _stream(request, response, self._quotas, self._run(text))

    def _run(self, text: str) -> Iterator[bytes]:
        number = 0
        _wait_for_reading(self._source)
        with self._channels.listening(text) as channel:
            while (found := channel.since(number)) is not None:
                number, messages = found
                yield messages
                gevent.sleep(_FLEET_INTERVAL)


class _ShardStream:
    """One shard's page."""

    def __init__(self, source: Source, quotas: ClientQuotas) -> None:
        self._source = source
        self._channels = Channels(lambda shard: ShardChannel(source, shard))
        self._quotas = quotas

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Stream the whole page, repeatedly, until it is closed."""
        shard = request.get_param("id", default="")
        _stream(request, response, self._quotas, self._run(shard))

    def _run(self, shard: str) -> Iterator[bytes]:
        _wait_for_reading(self._source)
        with self._channels.listening(shard) as channel:
            while True:
                yield channel.newest()
                gevent.sleep(_SHARD_INTERVAL)


def _wait_for_reading(source: Source) -> None:
    """Wait a moment for the shards: nothing is read from the daemon while no page is open."""
    for _ in range(round(_READ_SECONDS / _CHECK_SECONDS)):
        with source.locked() as model:
            if model.feed(source.now()).fresh:
                return
        gevent.sleep(_CHECK_SECONDS)


def _stream(
    request: falcon.Request,
    response: falcon.Response,
    quotas: ClientQuotas,
    messages: Iterator[bytes],
) -> None:
    """Stream messages, unless too many pages are open."""
    release = acquire_quota(quotas, request, "pages")
    response.content_type = "text/event-stream"
    response.cache_control = ("no-cache",)
    response.stream = ReleasingBody(messages, release)
