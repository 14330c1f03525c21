"""What all doors over HTTP share: a WSGI server of gevent's, bounded and patient within limits."""

from __future__ import annotations

import abc
import ssl
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

import gevent
import gevent.pywsgi
import gevent.socket

from zinfo.errors import EnvironmentNotReadyError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from gevent.pywsgi import WSGIServer

    ErrorType = type[BaseException] | None

PEER_NAME = "zinfo.peer_name"
"""Key of a WSGI environment: the common name of the client's certificate, where it showed one."""

_BACKLOG = 128  # length of that queue
_IDLE_SECONDS = 60.0  # a connection on which nothing moves for so long is closed
_HANDSHAKE_SECONDS = 5.0  # for TLS
_LOOK_SECONDS = 0.5  # between two looks at whether the door is open
_STOP_SECONDS = 0.2  # for answers under way when the door closes


class WsgiDoor(abc.ABC):
    """Serves a WSGI application; listens from construction on.

    Args:
        name: of the door, for errors.
        host: name or address to listen at, without brackets.
        port: to listen at; 0 for one that is free.
        max_body: bytes that a request may have behind its head.
        connections: served at a time; more wait in the kernel's queue.
        tls: makes the door speak TLS.

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
    ) -> None:
        self.name = name
        self._connections = connections
        self._tls = tls
        self._handler = type("Handler", (_Handler,), {"max_body": max_body})
        listener = _listen(name, host, port)
        shown = f"[{host}]" if ":" in host else host
        self._host, self._port = host, listener.getsockname()[1]
        self.endpoint = f"{'http' if tls is None else 'https'}://{shown}:{self._port}/"
        self._server = self._make_server(listener)
        self._stopped = False

    @abc.abstractmethod
    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one HTTP request; a WSGI application (PEP 3333)."""

    def _make_server(self, listener: gevent.socket.socket) -> WSGIServer:
        options: dict[str, Any] = {} if self._tls is None else {"ssl_context": self._tls}
        return _Server(
            listener,
            self.application,
            spawn=self._connections,
            log=None,
            error_log=None,
            handler_class=self._handler,
            environ={"SERVER_NAME": self._host},  # or it would ask the name server for one
            **options,
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
    """A WSGI server whose TLS handshakes end in time."""

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> Any:
        """Serve one connection with TLS; a peer that cannot do it, or does not, is let go."""
        client_socket.settimeout(_HANDSHAKE_SECONDS)
        try:
            return super().wrap_socket_and_handle(client_socket, address)
        except OSError:  # ssl.SSLError is one
            client_socket.close()
            return None


class _Handler(gevent.pywsgi.WSGIHandler):
    """One HTTP connection: bounded in size and patience, silent about clients that misbehave."""

    max_body: ClassVar[int] = 0

    def __init__(self, sock: gevent.socket.socket, address: str, server: WSGIServer) -> None:
        sock.settimeout(_IDLE_SECONDS)
        super().__init__(sock, address, server)

    def get_environ(self) -> dict[str, Any]:
        """Return what the application is told of a request: of the client's certificate, too."""
        environ: dict[str, Any] = super().get_environ()
        peer_certificate = getattr(self.socket, "getpeercert", None)
        if peer_certificate is not None:
            environ[PEER_NAME] = _common_name(peer_certificate() or {})
        return environ

    def read_request(self, raw_requestline: str) -> Any:  # a bool; the stubs say otherwise
        """Read the head of a request; False where the request is refused with a 400."""
        try:
            understood = super().read_request(raw_requestline)
        except (OSError, ValueError):
            return False
        # Without a length there is no bound. Refused here, the body is not even read to be dropped.
        if "transfer-encoding" in self.headers or (self.content_length or 0) > self.max_body:
            return False
        return understood

    def handle_error(self, t: ErrorType, v: BaseException | None, tb: TracebackType | None) -> None:
        """Report an unexpected error; a client that goes, or is too slow, is none."""
        if isinstance(v, OSError):
            self.close_connection = True
        else:
            super().handle_error(t, v, tb)


def _common_name(certificate: dict[str, Any]) -> str:
    for part in certificate.get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return ""


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
