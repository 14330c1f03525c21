"""The XPUB sockets of the bus: one for each set of rights, updated at a reload."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Protocol

import gevent
import gevent.event
import gevent.pool

from zinfo.bus.field_sets import FieldSets
from zinfo.bus.socket import REBIND_INTERVAL, REBIND_TIMEOUT, BusSocket, PublishFence
from zinfo.errors import EnvironmentNotReadyError
from zinfo.health.stats import BusStats
from zinfo.security.bus_endpoints import BusEndpoint
from zinfo.security.bus_rights import UNLIMITED, BusRights
from zinfo.security.rights import Rights
from zinfo.sockets.listen import GreenContext


class BusAccess(Protocol):
    """Knows the clients' keys, and decides which of them each socket admits."""

    @property
    def secret_key(self) -> bytes:
        """The daemon's secret key, in Z85."""
        ...

    def admit(self, domain: bytes, rights: BusRights) -> None:
        """Admit the keys of clients with these rights to the sockets of a ZAP domain."""
        ...

    def revoke(self, domain: bytes) -> None:
        """Admit no key to the sockets of a ZAP domain any more."""
        ...

    def client_name(self, key: str | None) -> str:
        """Return the name of the client with a public key; "" if the key is not known."""
        ...

    def ban(self, key: str) -> None:
        """Refuse a key on all sockets of the bus for some seconds."""
        ...


class BusSockets:
    """The sockets of the bus.

    Args:
        context: green context of the sockets.
        address: address to bind for the clients without limits.
        limited: endpoints of the limited sets of rights.
        stats: the bus counters to update.
        high_water_mark: messages queued for a slow subscriber.
        access: the clients' keys; None admits every client.
        publish_fence: publishes a fence that a subscriber requested.

    Raises:
        EnvironmentNotReadyError: an address cannot be bound.

    Attributes:
        unlimited: the socket of the clients without limits.
        subscribed: the sockets with at least one subscription.
    """

    def __init__(
        self,
        context: GreenContext,
        address: str,
        limited: Sequence[BusEndpoint],
        *,
        stats: BusStats,
        high_water_mark: int,
        access: BusAccess | None,
        publish_fence: PublishFence,
    ) -> None:
        self._context = context
        self._stats = stats
        self._high_water_mark = high_water_mark
        self._access = access
        self._publish_fence = publish_fence
        self._domains = itertools.count(1)
        self._readers = gevent.pool.Group()
        self._failed: gevent.event.AsyncResult[None] | None = None  # set while `run` runs
        self._sockets: dict[BusRights, BusSocket] = {}
        self.subscribed: tuple[BusSocket, ...] = ()
        try:
            self.unlimited = self._sockets[UNLIMITED] = self._open(
                BusEndpoint(UNLIMITED, (), address)
            )
            for endpoint in limited:
                self._sockets[endpoint.rights] = self._open_limited(endpoint)
        except EnvironmentNotReadyError:
            self.close()
            raise
        self._stats.sockets = len(self._sockets)

    def __iter__(self) -> Iterator[BusSocket]:
        return iter(self._sockets.values())

    def get(self, rights: BusRights) -> BusSocket | None:
        """Return the socket of a set of rights; None if it has none."""
        return self._sockets.get(rights)

    def close(self) -> None:
        """Close all sockets permanently."""
        for socket in self:
            socket.close()

    def update(self, limited: Sequence[BusEndpoint], reset: Collection[BusRights]) -> list[str]:
        """Open and close sockets so that there is one for each endpoint.

        Args:
            limited: endpoints of the limited sets of rights.
            reset: sets of rights that some client has lost. ZeroMQ authenticates a client only when
                it connects, so all connections of these sockets are closed. Clients that still have
                the rights reconnect at once and detect what they have missed.

        Returns:
            A message for each set whose address could not be bound.

        Raises:
            EnvironmentNotReadyError: the address for clients without limits could not be bound.
        """
        wanted = {endpoint.rights: endpoint for endpoint in limited}
        for rights, socket in list(self._sockets.items()):
            if socket is self.unlimited:
                continue
            endpoint = wanted.get(rights)
            if endpoint is None or endpoint.address != socket.endpoint.address:
                self._remove(rights)
            else:
                socket.endpoint = endpoint
        unbound = [socket for rights, socket in self._sockets.items() if rights in reset]
        for socket in unbound:
            socket.unbind()
        problems = [problem for socket in unbound for problem in self._rebind(socket)]
        for rights, endpoint in wanted.items():
            if rights not in self._sockets:
                problems += self._add(endpoint)
        self._stats.sockets = len(self._sockets)
        return problems

    def run(self) -> None:
        """Read subscriptions and count connections of all sockets; runs in a greenlet of its own.

        Raises:
            Exception: reading one of the sockets has failed.
        """
        self._failed = gevent.event.AsyncResult()
        try:
            for socket in self:
                self._start(socket)
            self._failed.get()
        finally:
            self._failed = None
            self._readers.kill()

    def _open(self, endpoint: BusEndpoint) -> BusSocket:
        access = self._access
        domain = b"" if access is None else b"zinfo-bus-%d" % next(self._domains)
        if access is not None:
            access.admit(domain, endpoint.rights)
        try:
            return BusSocket(
                self._context,
                endpoint,
                field_sets=self._field_sets_of(endpoint.rights),
                stats=self._stats,
                high_water_mark=self._high_water_mark,
                secret_key=None if access is None else access.secret_key,
                domain=domain,
                publish_fence=self._publish_fence,
                on_subscribed_change=self._find_subscribed,
                client_name=(lambda _key: "") if access is None else access.client_name,
                ban=str if access is None else access.ban,
            )
        except EnvironmentNotReadyError:
            if access is not None:
                access.revoke(domain)
            raise

    def _field_sets_of(self, rights: BusRights) -> FieldSets:
        """Return the selections that the sockets with the same hidden fields share."""
        for socket in self:
            if socket.endpoint.rights.hidden_fields == rights.hidden_fields:
                return socket.field_sets
        return FieldSets(Rights.of_bus(rights).hides if rights.hidden_fields else None)

    def _open_limited(self, endpoint: BusEndpoint) -> BusSocket:
        try:
            return self._open(endpoint)
        except EnvironmentNotReadyError as error:
            raise EnvironmentNotReadyError(_problem(endpoint, error)) from error

    def _add(self, endpoint: BusEndpoint) -> Iterator[str]:
        """Open a socket; retries, as a socket that was just closed may still hold the port."""
        deadline = time.monotonic() + REBIND_TIMEOUT
        while True:
            try:
                socket = self._open_limited(endpoint)
            except EnvironmentNotReadyError as error:
                if time.monotonic() > deadline:
                    yield str(error)
                    return
                gevent.sleep(REBIND_INTERVAL)
            else:
                self._sockets[endpoint.rights] = socket
                self._start(socket)
                return

    def _rebind(self, socket: BusSocket) -> Iterator[str]:
        try:
            socket.rebind()
        except EnvironmentNotReadyError as error:
            if socket is self.unlimited:
                raise
            self._remove(socket.endpoint.rights)
            yield _problem(socket.endpoint, error)

    def _remove(self, rights: BusRights) -> None:
        socket = self._sockets.pop(rights)
        socket.close()
        if self._access is not None:
            self._access.revoke(socket.domain)

    def _find_subscribed(self) -> None:
        self.subscribed = tuple(socket for socket in self if socket.subscriptions)

    def _start(self, socket: BusSocket) -> None:
        """Start the greenlets of a socket, if `run` is running; an error in one ends `run`."""
        if self._failed is None:
            return
        for run in (socket.read, socket.count_connections):
            greenlet = self._readers.spawn(run)
            greenlet.link_exception(partial(_pass_on_error, self._failed))


def _pass_on_error(
    failed: gevent.event.AsyncResult[None], greenlet: gevent.Greenlet[..., object]
) -> None:
    assert greenlet.exception is not None
    failed.set_exception(greenlet.exception)


def _problem(endpoint: BusEndpoint, error: Exception) -> str:
    return f"{endpoint.key}: {error}: set it to a free address"
