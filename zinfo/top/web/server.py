"""WebServer: serves the page over the query endpoints of one daemon or several."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import falcon
import gevent
import gevent.event
from gevent.threadpool import ThreadPool

from zinfo.adapters.http.api import operation_resource
from zinfo.adapters.http.auth import AuthMiddleware
from zinfo.adapters.http.responses import (
    handle_request_error,
    serialize_http_error,
    set_error,
)
from zinfo.adapters.http.routes import ROUTES
from zinfo.adapters.page.mount import mounted_page
from zinfo.adapters.page.readings import Selection
from zinfo.adapters.wsgi.host_names import HostNames
from zinfo.adapters.wsgi.server import WsgiServer
from zinfo.client import Client, ClientKeys, Fleet
from zinfo.errors import RequestError
from zinfo.security.rights import Rights
from zinfo.top.web.remote_operations import SERVED, RemoteOperations
from zinfo.top.web.remote_table import RemoteTable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NAME = "page"

_THREADS = 8  # requests to the daemons at a time; further ones wait
_TABLES = 2  # tables are read one after the other

logger = logging.getLogger(__name__)


class WebServer(WsgiServer):
    """Serves the page and what it requests. While no page is open, nothing is requested.

    Args:
        endpoints: query endpoints of the daemons; several share the shards.
        host: name or address to listen at, without brackets.
        port: to listen at; 0 for a free one.
        connect: returns a new client of the daemons.
        labels: those that every shard has to have.
        keys: CURVE keys of this client and the daemons; None where they require none.
        allowed_hosts: host names that requests may use besides localhost and addresses; `*` for
            any.

    Raises:
        EnvironmentNotReadyError: the address cannot be bound.
    """

    pages = ("/",)

    def __init__(
        self,
        endpoints: Collection[str],
        host: str,
        port: int,
        *,
        connect: Callable[[], Client | Fleet],
        labels: Mapping[str, str],
        keys: ClientKeys | None = None,
        allowed_hosts: Iterable[str] = (),
    ) -> None:
        pool, tables = ThreadPool(_THREADS), ThreadPool(_TABLES)
        self._operations = operations = RemoteOperations(connect, labels, pool)
        shown = " ".join(endpoints)

        def open_source(selection: Selection) -> RemoteTable:
            return RemoteTable(selection, endpoints, labels, keys, tables)

        def about(_rights: Rights) -> dict[str, object]:
            return {"node": "", "endpoint": shown, "operations": operations.names()}

        app = falcon.App(middleware=[AuthMiddleware(None)])
        app.set_error_serializer(serialize_http_error)
        app.add_error_handler(RequestError, handle_request_error)
        app.add_error_handler(Exception, _handle_unexpected)
        page = mounted_page(open_source, about, _report)
        for path, resource in page.routes.items():
            app.add_route(path, resource)
        for path, route in ROUTES.items():
            if route.operation in SERVED:
                app.add_route(path, operation_resource(operations, route))
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
        self._operations.close()
        for handler in handlers:
            handler.cancel()


def _report(part: str, error: BaseException) -> None:
    logger.error("%s failed", part, exc_info=error)


def _handle_unexpected(
    _request: falcon.Request, response: falcon.Response, error: Exception, _params: object
) -> None:
    _report(NAME, error)
    set_error(response, falcon.HTTP_500, "internal", "internal error; see the log")
