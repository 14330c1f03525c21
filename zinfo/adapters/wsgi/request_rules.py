"""What an HTTP server takes: how long a client may take, and which requests are answered."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zinfo.adapters.wsgi.connection_slots import Place, Places
from zinfo.adapters.wsgi.cross_site import may_answer
from zinfo.adapters.wsgi.host_names import HostNames, host_of
from zinfo.adapters.wsgi.rejection import Refused

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PEER_NAME: Final = "zinfo.peer_name"
"""Key of a WSGI environment: the common name of the client's certificate, where it showed one."""

PEER: Final = "zinfo.peer"
"""Key of a WSGI environment: the peer of the connection, as in `client_shares`."""

CLIENT: Final = "zinfo.client"
"""Key of a WSGI environment: the client's name; "" where it has none."""


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

    def check(self, environ: WSGIEnvironment, length: int, place: Place) -> None:
        """Refuse a request that is not to be answered; note whose it is.

        Args:
            environ: of WSGI, with the request's headers; is given the client's name.
            length: of the request's body, in bytes.
            place: of its connection.

        Raises:
            Refused: it is not to be answered.
        """
        host = _host(environ.get("HTTP_HOST"))
        environ[CLIENT] = ""
        if length > self.max_body:
            raise Refused("400 Bad Request", f"a body may have {self.max_body} bytes")
        if environ["PATH_INFO"] in self.health:
            return
        if place.is_spare:
            raise Refused("503 Service Unavailable", "too many connections; ask again later")
        if self.names is not None and host is not None and not self.names.allows(host):
            raise Refused(
                "403 Forbidden",
                "not under this host's name: ask by address, or as localhost, "
                "or allow the name: docs/http.md",
            )
        if not may_answer(environ, self.pages):
            raise Refused("403 Forbidden", "not for another site's page")
        environ[CLIENT] = client = self.client_of(environ)
        if not self.places.name(place, client and f"client {client}"):
            raise Refused("429 Too Many Requests", "this client has too many connections")


def _host(header: str | None) -> str | None:
    try:
        return None if header is None else host_of(header)
    except ValueError as error:
        raise Refused("400 Bad Request", str(error)) from None
