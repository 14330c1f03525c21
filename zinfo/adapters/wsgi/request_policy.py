"""Request policy of an HTTP server: its time limits, and which requests it serves."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zinfo.adapters.wsgi.connection_slots import ConnectionSlot, ConnectionSlots
from zinfo.adapters.wsgi.cross_site import is_allowed
from zinfo.adapters.wsgi.host_names import HostNames, host_of
from zinfo.adapters.wsgi.rejection import RequestRejected

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PEER_NAME: Final = "zinfo.peer_name"
"""Key of the WSGI environment: common name of the client's certificate, if it presented one."""

PEER: Final = "zinfo.peer"
"""Key of the WSGI environment: the connection's peer, as `client_quotas.peer_of` names it."""

CLIENT: Final = "zinfo.client"
"""Key of the WSGI environment: name of the client; "" if it has none."""


@dataclass
class Timeouts:
    """Time limits for a client, in seconds.

    Attributes:
        head: to send a complete request head, and to complete a TLS handshake.
        reserved_head: the same on a reserved connection slot.
        idle: between two requests on one connection.
        body: to send a complete body.
        send: to read the data of one write.
    """

    head: float = 10.0
    reserved_head: float = 2.0
    idle: float = 60.0
    body: float = 10.0
    send: float = 60.0


@dataclass
class RequestPolicy:
    """Which requests a server serves.

    Attributes:
        max_body: maximum size of a request body, in bytes.
        names: host names that the server accepts; None for any.
        slots: its connection slots.
        pages: paths that pages of other sites may link to.
        health: paths served under any host name, to any site, and on reserved connection slots.
        client_of: returns the name of the client that sent a request; "" for none.
        on_rejected: called with the status code of each request that is rejected.
    """

    max_body: int
    names: HostNames | None
    slots: ConnectionSlots
    pages: Collection[str] = ()
    health: Collection[str] = ()
    client_of: Callable[[WSGIEnvironment], str] = field(default=lambda _environ: "")
    on_rejected: Callable[[int], None] = field(default=lambda _status: None)

    def check(self, environ: WSGIEnvironment, length: int, slot: ConnectionSlot) -> None:
        """Check whether a request may be served, and record its client.

        Args:
            environ: WSGI environment with the request's headers; receives the client's name.
            length: size of the request's body, in bytes.
            slot: connection slot of the request.

        Raises:
            RequestRejected: the request must not be served.
        """
        host = _host(environ.get("HTTP_HOST"))
        environ[CLIENT] = ""
        if length > self.max_body:
            raise RequestRejected("400 Bad Request", f"a body may have {self.max_body} bytes")
        if environ["PATH_INFO"] in self.health:
            return
        if slot.is_reserved:
            raise RequestRejected("503 Service Unavailable", "too many connections; retry later")
        if self.names is not None and host is not None and not self.names.allows(host):
            raise RequestRejected(
                "403 Forbidden",
                "this host name is not allowed: use an IP address or localhost, "
                "or add the name to allowed_hosts (docs/reference/http.md)",
            )
        if not is_allowed(environ, self.pages):
            raise RequestRejected("403 Forbidden", "cross-site requests are not allowed")
        environ[CLIENT] = client = self.client_of(environ)
        if not self.slots.set_client(slot, client and f"client {client}"):
            raise RequestRejected("429 Too Many Requests", "this client has too many connections")


def _host(header: str | None) -> str | None:
    try:
        return None if header is None else host_of(header)
    except ValueError as error:
        raise RequestRejected("400 Bad Request", str(error)) from None
