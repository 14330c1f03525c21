"""WsgiServer: base class of the HTTP servers, with limits on connections, sizes and times."""

from __future__ import annotations

import abc
import ssl
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import gevent
import gevent.pywsgi
import gevent.socket

from zinfo.adapters.wsgi.client_quotas import Network, peer_of
from zinfo.adapters.wsgi.connection_slots import ConnectionSlots
from zinfo.adapters.wsgi.handler import Handler
from zinfo.adapters.wsgi.host_names import HostNames
from zinfo.adapters.wsgi.request_policy import RequestPolicy
from zinfo.errors import EnvironmentNotReadyError
from zinfo.loop.yielding import CooperativeYield
from zinfo.wire.addresses import host_port

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from gevent.pywsgi import WSGIServer

_BACKLOG = 128  # connections that wait to be accepted
_CHECK_SECONDS = 0.5  # between two checks whether the listener is still open
_STOP_SECONDS = 0.2  # for responses in progress when the server stops


class WsgiServer(abc.ABC):
    """Serves a WSGI application; listens as soon as it is constructed.

    Args:
        name: of the server, for error messages.
        host: name or address to listen at, without brackets.
        port: to listen at; 0 for any free port.
        max_body: maximum size of a request body, in bytes.
        connections: maximum number of concurrent connections, without those on reserved slots.
        tls: TLS context; None for plain HTTP.
        names: host names that the server accepts; None for any.
        proxies: networks of addresses that many clients share.

    Attributes:
        endpoint: URL of the server, with the actual port.

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
        self._policy = RequestPolicy(
            max_body,
            names,
            ConnectionSlots(connections),
            pages=self.pages,
            health=self.health,
            client_of=self.client_of,
            on_rejected=self.count_rejected,
        )
        self._handler = type("Handler", (Handler,), {"policy": self._policy})
        listener = _listen(name, host, port)
        self._host, self._port = host, listener.getsockname()[1]
        shown = host_port(host.replace("%", "%25"), self._port)  # a zone as in RFC 6874
        self.endpoint = f"{'http' if tls is None else 'https'}://{shown}/"
        self._server = self._make_server(listener)
        self._stopped = False

    pages: ClassVar[Collection[str]] = ()
    """Paths that pages of other sites may link to."""

    health: ClassVar[Collection[str]] = ()
    """Paths served under any host name, and also when all other connection slots are used."""

    def client_of(self, _environ: WSGIEnvironment) -> str:
        """Return the name of the client that sent a request; "" if it has none."""
        return ""

    def count_rejected(self, status: int) -> None:  # noqa: B027  # not all servers count
        """Count a request that was rejected with this status, before `application` saw it."""

    @abc.abstractmethod
    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Serve one HTTP request; a WSGI application (PEP 3333)."""

    def _make_server(self, listener: gevent.socket.socket) -> WSGIServer:
        return _Server(
            listener,
            self.application,
            spawn=self._policy.slots.max_connections,
            log=None,
            error_log=None,
            handler_class=self._handler,
            proxies=self._proxies,
            tls=self._tls,
            environ={
                "SERVER_NAME": self._host,  # without it gevent makes a DNS request
                "wsgi.url_scheme": "http" if self._tls is None else "https",
            },
        )

    def run(self) -> None:
        """Accept connections for ever; to be run in a greenlet.

        Raises:
            RuntimeError: the listener was closed; the next call of `run` listens again.
        """
        if self._server.closed:
            self._server = self._make_server(_listen(self.name, self._host, self._port))
        if not self._server.started:
            self._server.start()
        while self._stopped or not self._server.closed:
            gevent.sleep(_CHECK_SECONDS)
        raise RuntimeError("the listener was closed")

    def start(self) -> None:
        """Accept connections, including those that have been waiting since construction."""
        self._server.start()

    def stop(self) -> None:
        """Stop for good, after a short time for responses in progress."""
        self._stopped = True
        self._server.stop(timeout=_STOP_SECONDS)


class _Server(gevent.pywsgi.WSGIServer):
    """A WSGI server with connection slots and a timeout for TLS handshakes."""

    max_accept = 16  # connections accepted in one iteration of the event loop

    handler_class: type[Handler]

    def __init__(
        self, *args: Any, proxies: Sequence[Network], tls: ssl.SSLContext | None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._proxies = proxies
        self._tls = tls

    def handle(self, sock: Any, address: Any) -> None:
        """Serve one connection if a slot is available."""
        handler_class = self.handler_class
        slots, timeouts = handler_class.policy.slots, handler_class.timeouts
        slot = slots.acquire(peer_of(address[0], self._proxies))
        if slot is None:
            return  # gevent closes the socket
        try:
            sock.settimeout(timeouts.idle)
            if self._tls is not None:
                seconds = timeouts.reserved_head if slot.is_reserved else timeouts.head
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                with gevent.Timeout(seconds, TimeoutError("no TLS handshake")):
                    gevent.socket.wait_read(sock.fileno())
                    CooperativeYield(
                        low_priority=True
                    ).maybe_yield()  # a signature takes a millisecond
                    sock.do_handshake()
            handler_class(sock, address, self, slot).handle()
        except OSError:  # includes ssl.SSLError, if the peer does not complete the handshake
            pass
        finally:
            slots.release(slot)
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
