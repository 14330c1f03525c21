"""One HTTP connection of a WSGI server: what gevent's handler leaves unbounded is bounded here.

A whole request head, a whole body and each write have a time; requests are checked before the
application sees them; all answers have the headers that browsers are restricted by.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from io import BytesIO
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gevent
import gevent.pywsgi
import gevent.socket

from zinfo.adapters.cross_site import may_answer
from zinfo.adapters.host_names import HostNames, host_of
from zinfo.adapters.places import Place, Places
from zinfo.adapters.request_head import Head, Refused, read_head
from zinfo.breath import Breath

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from gevent.pywsgi import WSGIServer

    ErrorType = type[BaseException] | None

PEER_NAME: Final = "zinfo.peer_name"
"""Key of a WSGI environment: the common name of the client's certificate, where it showed one."""

PEER: Final = "zinfo.peer"
"""Key of a WSGI environment: whose the connection is, as `zinfo.adapters.shares` tells peers."""

CLIENT: Final = "zinfo.client"
"""Key of a WSGI environment: the client's name; "" where it has none."""

CONTENT_POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of all answers: nothing is loaded, run, sent or framed."""

_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of all answers."""

_RETRYABLE: Final = ("408", "429", "503")
"""Statuses of refusals after which the same request may be answered later."""

_MIN_RATE: Final = 65_536
"""Bytes per second of an answer that a client has to read, beside `Times.send` seconds at most."""

_DRAIN_BYTES: Final = 262_144
"""Bytes that are read and dropped after a refusal, so that the client gets to read the answer."""

_DRAIN_SECONDS: Final = 1.0
"""Seconds for that."""


@dataclass
class Times:
    """How long a client may take, in seconds.

    Attributes:
        head: for a whole request head, and for a TLS handshake before the first one.
        spare_head: for one on a spare place.
        idle: between two requests on one connection.
        body: for a whole body.
        send: for reading what one write sends.
    """

    head: float = 10.0
    spare_head: float = 2.0
    idle: float = 60.0
    body: float = 10.0
    send: float = 60.0


@dataclass
class Rules:
    """What a server takes.

    Attributes:
        max_body: bytes that a request may have behind its head.
        names: the hosts' names that it answers to; None for any.
        places: its connections.
        pages: paths that other sites may link to.
        health: paths that are answered under any name, from any site, and on spare places.
        client_of: returns the name of the client that sent a request; "" for none.
        refused: is told the status code of each answer that the application does not make.
    """

    max_body: int
    names: HostNames | None
    places: Places
    pages: Collection[str] = ()
    health: Collection[str] = ()
    client_of: Callable[[WSGIEnvironment], str] = field(default=lambda _environ: "")
    refused: Callable[[int], None] = field(default=lambda _status: None)


class Handler(gevent.pywsgi.WSGIHandler):
    """One HTTP connection; silent about clients that misbehave."""

    rules: ClassVar[Rules]
    times: ClassVar[Times] = Times()

    _head: Head | None = None
    _waited = 0.0  # seconds that writes of this answer took
    _is_first = True  # request of the connection
    _is_stream = False

    def __init__(self, sock: Any, address: Any, server: WSGIServer, place: Place) -> None:
        super().__init__(sock, address, server)
        self._place = place

    def handle_one_request(self) -> Any:
        """Handle one request; returns as gevent's handler does."""
        if self.rfile.closed:
            return None
        try:
            self._head = self._read_head()
        except Refused as refused:
            self._refuse(refused)
            return None
        except OSError:
            return None
        if self._head is None:
            return None
        self._is_first = False
        # Requests may come without an end: where the next one has arrived already, nothing waits.
        Breath(patient=True).take()
        return super().handle_one_request()

    def _read_head(self) -> Head | None:
        self._place.wait()
        if not self._is_first:
            with gevent.Timeout(self.times.idle, TimeoutError("no further request")):
                self.rfile.peek(1)
            self._place.wait()
        seconds = self.times.spare_head if self._place.is_spare else self.times.head
        late = Refused("408 Request Timeout", f"the whole head has {seconds:g} s to arrive")
        with gevent.Timeout(seconds, late):
            head = read_head(self.rfile)
        self._place.work()
        return head

    # --- what gevent's handler asks for, in this order ---

    def read_requestline(self) -> str:
        """Return the request line, which has been read and checked."""
        assert self._head is not None
        return self._head.line

    def MessageClass(self, *_args: object) -> Any:  # noqa: N802  # gevent's name
        """Return the headers, which have been read and checked."""
        assert self._head is not None
        headers = BytesIO(self._head.headers)
        return gevent.pywsgi.headers_factory(headers)  # type: ignore[attr-defined]

    def get_environ(self) -> dict[str, Any]:
        """Return what the application is told of a request."""
        environ: dict[str, Any] = super().get_environ()
        assert self._head is not None
        if self._head.host is not None:
            environ["HTTP_HOST"] = self._head.host
        if self.command == "HEAD":
            environ["REQUEST_METHOD"] = "GET"  # the answer's body is left out below
        peer_certificate = getattr(self.socket, "getpeercert", None)
        if peer_certificate is not None:
            environ[PEER_NAME] = _common_name(peer_certificate() or {})
        environ[PEER] = self._place.peer
        return environ

    def handle_one_response(self) -> None:
        """Answer a request, if it passes."""
        self._waited, self._is_stream = 0.0, False
        try:
            self._check()
            self._read_body()
        except Refused as refused:
            self._refuse(refused)
        except OSError:
            self.close_connection = True
        else:
            super().handle_one_response()
        if self._place.is_spare:
            self.close_connection = True

    @property
    def _environ(self) -> dict[str, Any]:
        assert self.environ is not None
        return self.environ

    def _check(self) -> None:
        """Refuse a request that is not to be answered.

        Raises:
            Refused: it is not.
        """
        rules, environ = self.rules, self._environ
        host = _host(environ.get("HTTP_HOST"))
        environ[CLIENT] = ""
        if (self.content_length or 0) > rules.max_body:
            raise Refused("400 Bad Request", f"a body may have {rules.max_body} bytes")
        if environ["PATH_INFO"] in rules.health:
            return
        if self._place.is_spare:
            raise Refused("503 Service Unavailable", "too many connections; ask again later")
        if rules.names is not None and host is not None and not rules.names.allows(host):
            raise Refused(
                "403 Forbidden",
                "not under this host's name: ask by address, or as localhost, "
                "or allow the name: docs/http.md",
            )
        if not may_answer(environ, rules.pages):
            raise Refused("403 Forbidden", "not for another site's page")
        environ[CLIENT] = client = rules.client_of(environ)
        if not rules.places.name(self._place, client and f"client {client}"):
            raise Refused("429 Too Many Requests", "this client has too many connections")

    def _read_body(self) -> None:
        """Read the body, of a length that has been checked; the application gets it whole."""
        body = b""
        if self.content_length:
            seconds = self.times.body
            late = Refused("408 Request Timeout", f"the whole body has {seconds:g} s to arrive")
            assert self.wsgi_input is not None
            with gevent.Timeout(seconds, late):
                body = self.wsgi_input.read()
        self._environ["wsgi.input"] = BytesIO(body)
        self._environ["wsgi.input_terminated"] = True

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin an answer; adds what all answers have."""
        given = {name.lower(): value for name, value in headers}
        self._is_stream = given.get("content-type", "").startswith("text/event-stream")
        headers = [(name, _with_head(name, value)) for name, value in headers]
        headers += [one for one in _HEADERS.items() if one[0].lower() not in given]
        return super().start_response(status, headers, exc_info)

    def process_result(self) -> None:
        """Send the answer's body; to a HEAD its headers alone, and nothing is made."""
        if self.command != "HEAD":
            super().process_result()
        elif not self.headers_sent:
            self._write_with_headers(b"")  # type: ignore[attr-defined]  # gevent's stubs lack it

    def _sendall(self, data: bytes) -> None:
        """Write some of an answer; a client that reads too slowly is let go."""
        began = time.monotonic()
        with gevent.Timeout(self.times.send, TimeoutError("the client does not read")):
            super()._sendall(data)  # type: ignore[misc]  # gevent's stubs lack it
        if self._is_stream:
            return
        self._waited += time.monotonic() - began
        if self._waited > self.times.send + self.response_length / _MIN_RATE:
            raise TimeoutError("the client reads too slowly")

    # --- refusals and errors ---

    def _refuse(self, refused: Refused) -> None:
        """Send a short answer, and let the client read it before the connection is closed."""
        self.close_connection = True
        self._place.wait()  # for the client to close it: others may have the place
        self.rules.refused(int(refused.status[:3]))
        try:
            with gevent.Timeout(_DRAIN_SECONDS, TimeoutError("it reads no answer")):
                self.socket.sendall(refusal(refused, body=self.command != "HEAD"))
                self.socket.shutdown(gevent.socket.SHUT_WR)
                left = _DRAIN_BYTES
                while left > 0 and (dropped := len(self.socket.recv(65_536))):
                    left -= dropped
        except (OSError, ValueError):
            pass  # it is gone

    def _handle_client_error(self, ex: BaseException) -> Any:
        """Answer what cannot be understood with a 400, and say nothing in the log."""
        if not isinstance(ex, OSError):
            self._refuse(Refused("400 Bad Request", "malformed request"))

    def handle_error(self, t: ErrorType, v: BaseException | None, tb: TracebackType | None) -> None:
        """Report an unexpected error; a client that goes, or is too slow, is none."""
        if isinstance(v, OSError):
            self.close_connection = True
        else:
            super().handle_error(t, v, tb)


def refusal(refused: Refused, *, body: bool = True) -> bytes:
    """Return a whole answer that refuses a request; it ends the connection."""
    code = refused.status[4:].lower().replace(" ", "_")
    retryable = refused.status[:3] in _RETRYABLE
    error = {"code": code, "message": refused.message, "retryable": retryable}
    content = json.dumps({"error": error}).encode()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "Connection": "close",
        **_HEADERS,
    }
    if retryable:
        headers["Retry-After"] = "1"
    lines = [f"HTTP/1.1 {refused.status}", *(": ".join(one) for one in headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (content if body else b"")


def _host(header: str | None) -> str | None:
    try:
        return None if header is None else host_of(header)
    except ValueError as error:
        raise Refused("400 Bad Request", str(error)) from None


def _with_head(name: str, value: str) -> str:
    """Add HEAD to the methods that are allowed, where GET is."""
    if name.lower() != "allow" or "GET" not in value or "HEAD" in value:
        return value
    return value.replace("GET", "GET, HEAD")


def _common_name(certificate: dict[str, Any]) -> str:
    for part in certificate.get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return ""
