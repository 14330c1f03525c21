"""What all doors over HTTP share: a WSGI server of gevent's, bounded and patient within limits."""

from __future__ import annotations

import abc
import ssl
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import gevent
import gevent.pywsgi
import gevent.socket

from zinfo.adapters.wsgi.client_shares import Network, peer_of
from zinfo.adapters.wsgi.connection_slots import Places
from zinfo.adapters.wsgi.handler import Handler
from zinfo.adapters.wsgi.host_names import HostNames
from zinfo.adapters.wsgi.request_rules import Rules
from zinfo.errors import EnvironmentNotReadyError
from zinfo.loop.yielding import CooperativeYield

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from gevent.pywsgi import WSGIServer

_BACKLOG = 128  # length of that queue
_LOOK_SECONDS = 0.5  # between two looks at whether the door is open
_STOP_SECONDS = 0.2  # for answers under way when the door closes


class WsgiServer(abc.ABC):
    """Serves a WSGI application; listens from construction on.

    Args:
        name: of the door, for errors.
        host: name or address to listen at, without brackets.
        port: to listen at; 0 for one that is free.
        max_body: bytes that a request may have behind its head.
        connections: served at a time, beside those on spare places.
        tls: makes the door speak TLS.
        names: the hosts' names that it answers to; None for any.
        proxies: networks whose addresses have many clients behind them.

    Attributes:
        endpoint: URL of the door, with the port that it got.

    Raises:
        EnvironmentNotReadyError: the address cannot be bound.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        *,
        max_body: int,
        connections: int = 256,
        tls: ssl.SSLContext | None = None,
        names: HostNames | None,
        proxies: Sequence[Network] = (),
    ) -> None:
        self.name = name
        self._tls = tls
        self._proxies = proxies
        self._rules = Rules(
            max_body,
            names,
            Places(connections),
            pages=self.pages,
            health=self.health,
            client_of=self.client_of,
            refused=self.count_refused,
        )
        self._handler = type("Handler", (Handler,), {"rules": self._rules})
        listener = _listen(name, host, port)
        shown = f"[{host}]" if ":" in host else host
        self._host, self._port = host, listener.getsockname()[1]
        self.endpoint = f"{'http' if tls is None else 'https'}://{shown}:{self._port}/"
        self._server = self._make_server(listener)
        self._stopped = False

    pages: ClassVar[Collection[str]] = ()
    """Paths that pages of other sites may link to."""

    health: ClassVar[Collection[str]] = ()
    """Paths that are answered under any host's name, and when all other places are taken."""

    def client_of(self, _environ: WSGIEnvironment) -> str:
        """Return the name of the client that sent a request; "" where it has none."""
        return ""

    def count_refused(self, status: int) -> None:  # noqa: B027  # not all servers count
        """Count a request that was refused with this status, before `application` saw it."""

    @abc.abstractmethod
    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one HTTP request; a WSGI application (PEP 3333)."""

    def _make_server(self, listener: gevent.socket.socket) -> WSGIServer:
        return _Server(
            listener,
            self.application,
            spawn=self._rules.places.most,
            log=None,
            error_log=None,
            handler_class=self._handler,
            proxies=self._proxies,
            tls=self._tls,
            environ={
                "SERVER_NAME": self._host,  # or it would ask the name server for one
                "wsgi.url_scheme": "http" if self._tls is None else "https",
            },
        )

    def run(self) -> None:
        """Accept connections for ever; to be run in a greenlet.

        Raises:
            RuntimeError: the listener was lost; run again, this listens anew.
        """
        if self._server.closed:
            self._server = self._make_server(_listen(self.name, self._host, self._port))
        if not self._server.started:
            self._server.start()
        while self._stopped or not self._server.closed:
            gevent.sleep(_LOOK_SECONDS)
        raise RuntimeError("the listener is gone")

    def start(self) -> None:
        """Accept connections from now on; those that came since construction are taken, too."""
        self._server.start()

    def stop(self) -> None:
        """Close the door for good; answers under way have a moment to end."""
        self._stopped = True
        self._server.stop(timeout=_STOP_SECONDS)


class _Server(gevent.pywsgi.WSGIServer):
    """A WSGI server whose connections have places, and whose TLS handshakes end in time."""

    max_accept = 16  # connections in one turn of the event loop

    handler_class: type[Handler]

    def __init__(
        self, *args: Any, proxies: Sequence[Network], tls: ssl.SSLContext | None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._proxies = proxies
        self._tls = tls

    def handle(self, sock: Any, address: Any) -> None:
        """Serve one connection, if there is a place for it."""
        handler_class = self.handler_class
        places, times = handler_class.rules.places, handler_class.times
        place = places.enter(peer_of(address[0], self._proxies))
        if place is None:
            return  # gevent closes the socket
        try:
            sock.settimeout(times.idle)
            if self._tls is not None:
                seconds = times.spare_head if place.is_spare else times.head
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                with gevent.Timeout(seconds, TimeoutError("no TLS handshake")):
                    gevent.socket.wait_read(sock.fileno())
                    CooperativeYield(
                        low_priority=True
                    ).maybe_yield()  # a signature takes a millisecond
                    sock.do_handshake()
            handler_class(sock, address, self, place).handle()
        except OSError:  # ssl.SSLError is one: a peer that cannot do TLS, or does not, is let go
            pass
        finally:
            places.leave(place)
            sock.close()


def _listen(name: str, host: str, port: int) -> gevent.socket.socket:
    try:
        family, kind, proto, _, address = gevent.socket.getaddrinfo(
            host, port, type=gevent.socket.SOCK_STREAM, flags=gevent.socket.AI_PASSIVE
        )[0]
        listener = gevent.socket.socket(family, kind, proto)
        try:
            listener.setsockopt(gevent.socket.SOL_SOCKET, gevent.socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise EnvironmentNotReadyError(
            f"{name}: cannot listen at {host}:{port}: {error.strerror or error}"
        ) from error
    return listener
