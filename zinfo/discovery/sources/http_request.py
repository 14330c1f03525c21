"""One GET request, over a connection of its own.

http.client bounds the lines and the number of headers; the socket below it bounds all bytes, and
yields, so that a server that sends fast does not hold the event loop. The caller bounds the time.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from zinfo.discovery.sources.decoding import MAX_SIZE
from zinfo.discovery.sources.http_url import HttpUrl
from zinfo.errors import SourceError
from zinfo.loop.yielding import CooperativeYield
from zinfo.poll.tls_connection import verified_name
from zinfo.wire.addresses import host_port

_MAX_HEADERS_SIZE = 72 << 10  # bytes, those of a body that arrive with them included
_MAX_RECEIVED = 2 * MAX_SIZE  # bytes of a body with the sizes of its chunks


@contextlib.contextmanager
def get(
    url: HttpUrl, headers: Mapping[str, str], timeout: float, context: ssl.SSLContext | None
) -> Iterator[http.client.HTTPResponse]:
    """Send a request; yields the reply, whose body can be read until the exit.

    Args:
        url: what to get.
        headers: headers of the request; those that HTTP requires are added.
        timeout: seconds for one operation of the socket.
        context: for TLS; None without.

    Raises:
        SourceError: there is no connection, or no reply; also when the body cannot be read.
    """
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(contextlib.closing(_connect(url, timeout)))
        try:
            if context is not None:
                name = verified_name(url.origin.host)
                sock = context.wrap_socket(sock, server_hostname=name)
                stack.callback(sock.close)
            guarded = _GuardedSocket(sock)
            connection = http.client.HTTPConnection(
                url.origin.host, url.origin.port, timeout=timeout
            )
            connection.sock = guarded
            connection.putrequest("GET", url.target, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            stack.callback(response.close)
            guarded.limit = _MAX_RECEIVED
            yield response
        except ssl.SSLCertVerificationError as error:
            raise SourceError(f"the server's certificate: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise SourceError(f"TLS fails: {error.reason or 'the connection ended'}") from None
        except http.client.IncompleteRead:
            raise SourceError("the reply is cut off") from None
        except http.client.RemoteDisconnected:
            raise SourceError("the server closed the connection without a reply") from None
        except (http.client.HTTPException, UnicodeError, ValueError):
            raise SourceError("the reply is not HTTP") from None
        except TimeoutError:
            raise SourceError("the server does not respond") from None
        except OSError as error:
            raise SourceError(f"the connection fails: {_text_of(error)}") from None


def status_text(status: int) -> str:
    """Return a status with its standard name; what a server calls it may be anything."""
    with contextlib.suppress(ValueError):
        return f"HTTP status {status} {HTTPStatus(status).phrase}"
    return f"HTTP status {status}"


def _connect(url: HttpUrl, timeout: float) -> socket.socket:
    host, port = url.origin.host, url.origin.port
    try:
        return socket.create_connection((host, port), timeout)
    except TimeoutError:
        raise SourceError(f"no connection to {host_port(host, port)} in time") from None
    except UnicodeError:
        raise SourceError(f"{host} is not the name of a host") from None
    except OSError as error:
        problem = _text_of(error)
        raise SourceError(f"cannot connect to {host_port(host, port)}: {problem}") from None


def _text_of(error: OSError) -> str:
    return error.strerror or type(error).__name__


class _GuardedSocket:
    """What http.client uses of a socket; see the module.

    http.client closes it when it has seen that the body ends with the connection, before it reads
    that body: only the caller closes the socket.

    Attributes:
        limit: bytes that may be received in all.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.limit = _MAX_HEADERS_SIZE
        self._sock = sock
        self.sendall = sock.sendall

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(_Received(self._sock, self))

    def close(self) -> None:
        """Do nothing."""


class _Received(io.RawIOBase):
    def __init__(self, sock: socket.socket, guard: _GuardedSocket) -> None:
        super().__init__()
        self._sock = sock
        self._guard = guard
        self._size = 0
        self._yielder = CooperativeYield(low_priority=True)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._sock.recv_into(buffer)
        self._size += count
        if self._size > self._guard.limit:
            raise SourceError("the reply is too large")
        self._yielder.maybe_yield()
        return count
