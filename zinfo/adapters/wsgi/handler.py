"""Handles one HTTP connection of the WSGI server, with the limits that gevent's handler lacks.

The request head, the body and each write have a timeout. Requests are checked before the
application sees them. All responses have the security headers for browsers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import gevent
import gevent.pywsgi
import gevent.socket

from zinfo.adapters.wsgi.connection_slots import ConnectionSlot
from zinfo.adapters.wsgi.rejection import HEADERS, RequestRejected, rejection_response
from zinfo.adapters.wsgi.request_head import RequestHead, read_head
from zinfo.adapters.wsgi.request_policy import PEER, PEER_NAME, RequestPolicy, Timeouts
from zinfo.loop.yielding import CooperativeYield

if TYPE_CHECKING:
    from gevent.pywsgi import WSGIServer

    ErrorType = type[BaseException] | None

Sent = TypeVar("Sent")

_MIN_RATE: Final = 65_536
"""Bytes per second that a client must read of a response, after the first `Timeouts.send` s."""

_DRAIN_BYTES: Final = 262_144
"""Bytes to read and discard after a rejection, so that the client can read the response."""

_DRAIN_SECONDS: Final = 1.0
"""Maximum time for this, in seconds."""

_LONG: Final = 65_536
"""Least bytes of a chunk that is sent without a copy."""


class Handler(gevent.pywsgi.WSGIHandler):
    """One HTTP connection; logs nothing about misbehaving clients."""

    policy: ClassVar[RequestPolicy]
    timeouts: ClassVar[Timeouts] = Timeouts()

    _head: RequestHead | None = None
    _write_seconds = 0.0  # time that the writes of this response took
    _is_first_request = True
    _is_stream = False

    def __init__(self, sock: Any, address: Any, server: WSGIServer, slot: ConnectionSlot) -> None:
        super().__init__(sock, address, server)
        self._slot = slot

    def handle_one_request(self) -> Any:
        """Handle one request; the return value is that of gevent's handler."""
        if self.rfile.closed:
            return None
        try:
            self._head = self._read_head()
        except RequestRejected as rejected:
            self._reject(rejected)
            return None
        except OSError:
            return None
        if self._head is None:
            return None
        self._is_first_request = False
        # A client may pipeline requests without end: reading the next one then never yields.
        CooperativeYield(low_priority=True).maybe_yield()
        return super().handle_one_request()

    def _read_head(self) -> RequestHead | None:
        self._slot.mark_idle()
        if not self._is_first_request:
            with gevent.Timeout(self.timeouts.idle, TimeoutError("no further request")):
                self.rfile.peek(1)
            self._slot.mark_idle()
        reserved = self._slot.is_reserved
        seconds = self.timeouts.reserved_head if reserved else self.timeouts.head
        late = RequestRejected(
            "408 Request Timeout", f"the request head did not arrive within {seconds:g} s"
        )
        with gevent.Timeout(seconds, late):
            head = read_head(self.rfile)
        self._slot.mark_busy()
        return head

    # --- methods that gevent's handler calls, in this order ---

    def read_requestline(self) -> str:
        """Return the request line, which has been read and checked already."""
        assert self._head is not None
        return self._head.line

    def MessageClass(self, *_args: object) -> Any:  # noqa: N802  # gevent's name
        """Return the headers, which have been read and checked already."""
        assert self._head is not None
        headers = BytesIO(self._head.headers)
        return gevent.pywsgi.headers_factory(headers)  # type: ignore[attr-defined]

    def get_environ(self) -> dict[str, Any]:
        """Return the WSGI environment of a request."""
        environ: dict[str, Any] = super().get_environ()
        assert self._head is not None
        if self._head.host is not None:
            environ["HTTP_HOST"] = self._head.host
        if self.command == "HEAD":
            environ["REQUEST_METHOD"] = "GET"  # `process_result` omits the response body
        peer_certificate = getattr(self.socket, "getpeercert", None)
        if peer_certificate is not None:
            environ[PEER_NAME] = _common_name(peer_certificate() or {})
        environ[PEER] = self._slot.peer
        return environ

    def handle_one_response(self) -> None:
        """Serve a request if the policy allows it."""
        self._write_seconds, self._is_stream = 0.0, False
        try:
            self.policy.check(self._environ, self.content_length or 0, self._slot)
            self._read_body()
        except RequestRejected as rejected:
            self._reject(rejected)
        except OSError:
            self.close_connection = True
        else:
            super().handle_one_response()
        if self._slot.is_reserved:
            self.close_connection = True

    @property
    def _environ(self) -> dict[str, Any]:
        assert self.environ is not None
        return self.environ

    def _read_body(self) -> None:
        """Read the complete body, whose length has been checked, before the application runs."""
        body = b""
        if self.content_length:
            seconds = self.timeouts.body
            late = RequestRejected(
                "408 Request Timeout", f"the request body did not arrive within {seconds:g} s"
            )
            assert self.wsgi_input is not None
            with gevent.Timeout(seconds, late):
                body = self.wsgi_input.read()
        self._environ["wsgi.input"] = BytesIO(body)
        self._environ["wsgi.input_terminated"] = True

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Begin a response; adds the headers of all responses."""
        given = {name.lower(): value for name, value in headers}
        self._is_stream = given.get("content-type", "").startswith("text/event-stream")
        headers = [(name, _with_head(name, value)) for name, value in headers]
        headers += [one for one in HEADERS.items() if one[0].lower() not in given]
        return super().start_response(status, headers, exc_info)

    def process_result(self) -> None:
        """Send the response body; for a HEAD request send the headers, and generate no body."""
        if self.command != "HEAD":
            super().process_result()
        elif not self.headers_sent:
            self._write_with_headers(b"")  # type: ignore[attr-defined]  # gevent's stubs lack it

    def _write(self, data: bytes) -> None:
        """Send a part of the body.

        gevent copies a chunk to add its length. A long one is sent without a copy.
        """
        is_tls = hasattr(self.socket, "getpeercert")  # then `sendmsg` is not allowed
        if not self.response_use_chunked or len(data) < _LONG or is_tls:
            super()._write(data)  # type: ignore[misc]  # gevent's stubs lack it
            return
        parts = (b"%x\r\n" % len(data), data, b"\r\n")
        sent = self._send(lambda: self.socket.sendmsg(parts))
        self.response_length += sent
        for part in parts:
            if sent < len(part):
                self._sendall(memoryview(part)[sent:])
            sent = max(0, sent - len(part))

    def _sendall(self, data: bytes | memoryview) -> None:
        """Send data of a response; disconnects a client that reads too slowly."""
        send = super()._sendall  # type: ignore[misc]  # gevent's stubs lack it
        self._send(lambda: send(data))

    def _send(self, send: Callable[[], Sent]) -> Sent:
        """Call a function that sends; disconnects a client that reads too slowly."""
        started = time.monotonic()
        with gevent.Timeout(self.timeouts.send, TimeoutError("the client does not read")):
            sent = send()
        if not self._is_stream:
            self._write_seconds += time.monotonic() - started
            if self._write_seconds > self.timeouts.send + self.response_length / _MIN_RATE:
                raise TimeoutError("the client reads too slowly")
        return sent

    # --- rejections and errors ---

    def _reject(self, rejected: RequestRejected) -> None:
        """Send an error response, and let the client read it before the connection is closed."""
        self.close_connection = True
        self._slot.mark_idle()  # another connection may replace this one from here on
        self.policy.on_rejected(int(rejected.status[:3]))
        try:
            with gevent.Timeout(_DRAIN_SECONDS, TimeoutError("the client does not read")):
                self.socket.sendall(rejection_response(rejected, body=self.command != "HEAD"))
                self.socket.shutdown(gevent.socket.SHUT_WR)
                left = _DRAIN_BYTES
                while left > 0 and (dropped := len(self.socket.recv(65_536))):
                    left -= dropped
        except (OSError, ValueError):
            pass  # the client has disconnected

    def _handle_client_error(self, ex: BaseException) -> Any:
        """Respond to a malformed request with status 400, and log nothing."""
        if not isinstance(ex, OSError):
            self._reject(RequestRejected("400 Bad Request", "malformed request"))

    def handle_error(self, t: ErrorType, v: BaseException | None, tb: TracebackType | None) -> None:
        """Report an unexpected error, but not a client that disconnects or is too slow."""
        if isinstance(v, OSError):
            self.close_connection = True
        else:
            super().handle_error(t, v, tb)


def _with_head(name: str, value: str) -> str:
    """Add HEAD to an Allow header that has GET."""
    if name.lower() != "allow" or "GET" not in value or "HEAD" in value:
        return value
    return value.replace("GET", "GET, HEAD")


def _common_name(certificate: dict[str, Any]) -> str:
    for part in certificate.get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return ""
