"""One HTTP connection of a WSGI server: what gevent's handler leaves unbounded is bounded here.

A whole request head, a whole body and each write have a time; requests are checked before the
application sees them; all answers have the headers that browsers are restricted by.
"""

from __future__ import annotations

import time
from io import BytesIO
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gevent
import gevent.pywsgi
import gevent.socket

from zinfo.adapters.wsgi.connection_slots import Place
from zinfo.adapters.wsgi.rejection import HEADERS, Refused, refusal
from zinfo.adapters.wsgi.request_head import Head, read_head
from zinfo.adapters.wsgi.request_rules import PEER, PEER_NAME, Rules, Times
from zinfo.loop.yielding import CooperativeYield

if TYPE_CHECKING:
    from gevent.pywsgi import WSGIServer

    ErrorType = type[BaseException] | None

_MIN_RATE: Final = 65_536
"""Bytes per second of an answer that a client has to read, beside `Times.send` seconds at most."""

_DRAIN_BYTES: Final = 262_144
"""Bytes that are read and dropped after a refusal, so that the client gets to read the answer."""

_DRAIN_SECONDS: Final = 1.0
"""Seconds for that."""


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
        CooperativeYield(low_priority=True).maybe_yield()
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
            self.rules.check(self._environ, self.content_length or 0, self._place)
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
        headers += [one for one in HEADERS.items() if one[0].lower() not in given]
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
