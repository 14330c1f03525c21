"""Connection slots: bounds the connections of a server, in total and per peer.

Each peer has a quota of the slots. A connection beyond the quota replaces an idle one of the same
peer, if there is one. Otherwise it gets a reserved slot, which serves only the health endpoints. So
neither many connections nor unfinished requests can block a health probe.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

import gevent
import gevent.socket

from zinfo.adapters.wsgi.client_quotas import ClientQuotas

RESERVED_SLOTS: Final = 32
"""Slots, in addition to the others, for connections that may request only health endpoints."""

_MIN_IDLE: Final = 1.0
"""Seconds that a connection has waited for a request before another one may replace it."""


class ConnectionSlot:
    """The slot of one connection.

    Attributes:
        peer: the peer of the connection, as `peer_of` names it.
        is_reserved: whether only the health endpoints may be requested.
        client: name of the client that sent the latest request; "" without a name or a request.
        idle_since: monotonic clock, in seconds, since when the connection waits for a complete
            request; None while a request is served.
    """

    __slots__ = ("_greenlet", "client", "idle_since", "is_reserved", "peer")

    def __init__(self, peer: str, *, is_reserved: bool) -> None:
        self.peer = peer
        self.is_reserved = is_reserved
        self.client = ""
        self.idle_since: float | None = time.monotonic()
        self._greenlet = gevent.getcurrent()

    def mark_idle(self) -> None:
        """Record that the connection waits for a request."""
        self.idle_since = time.monotonic()

    def mark_busy(self) -> None:
        """Record that a request is being served."""
        self.idle_since = None

    def disconnect(self) -> None:
        """End the connection: kill its greenlet, which closes the socket."""
        self._greenlet.kill(block=False)  # type: ignore[attr-defined]  # all are Greenlets of a pool


class ConnectionSlots:
    """All connection slots of one server.

    Args:
        total: number of slots, without the reserved ones.
    """

    def __init__(self, total: int) -> None:
        self._peer_quotas = ClientQuotas(total)
        self._client_quotas = ClientQuotas(total)
        self._used: dict[ConnectionSlot, None] = {}  # oldest first
        self._reserved: dict[ConnectionSlot, None] = {}

    @property
    def total(self) -> int:
        """Number of slots, without the reserved ones."""
        return self._peer_quotas.total

    @property
    def max_connections(self) -> int:
        """Upper bound of open connections, including those that are being closed."""
        return self.total + 2 * RESERVED_SLOTS

    def acquire(self, peer: str) -> ConnectionSlot | None:
        """Return a slot for the calling greenlet's new connection; None if none is available."""
        if not self._peer_quotas.acquire(peer):
            replaceable = None if self._peer_quotas.below_quota(peer) else peer
            longest = _longest_idle(self._used, replaceable, _MIN_IDLE)
            if longest is None:
                return self._acquire_reserved(peer)
            self._disconnect(longest)
            self._peer_quotas.acquire(peer)
        slot = ConnectionSlot(peer, is_reserved=False)
        self._used[slot] = None
        return slot

    def _acquire_reserved(self, peer: str) -> ConnectionSlot | None:
        if len(self._reserved) >= RESERVED_SLOTS:
            busiest = Counter(slot.peer for slot in self._reserved).most_common(1)[0][0]
            longest = _longest_idle(self._reserved, busiest, 0)
            if longest is None:
                return None
            self._disconnect(longest)
        slot = ConnectionSlot(peer, is_reserved=True)
        self._reserved[slot] = None
        return slot

    def release(self, slot: ConnectionSlot) -> None:
        """Release a slot; does nothing if it was released already, when it was replaced."""
        if self._reserved.pop(slot, slot) is None:
            return
        if self._used.pop(slot, slot) is None:
            self._peer_quotas.release(slot.peer)
            if slot.client:
                self._client_quotas.release(slot.client)

    def set_client(self, slot: ConnectionSlot, client: str) -> bool:
        """Record which client uses a slot; return False if that client's quota is exhausted."""
        if slot.is_reserved or client == slot.client:
            return True
        if client and not self._client_quotas.acquire(client):
            return False
        if slot.client:
            self._client_quotas.release(slot.client)
        slot.client = client
        return True

    def _disconnect(self, slot: ConnectionSlot) -> None:
        self.release(slot)
        slot.disconnect()


def _longest_idle(
    slots: Iterable[ConnectionSlot], peer: str | None, min_idle: float
) -> ConnectionSlot | None:
    """Return the slot that has been idle longest, of one peer or (None) of any."""
    until = time.monotonic() - min_idle
    found: ConnectionSlot | None = None
    for slot in slots:
        since = slot.idle_since
        if since is None or since > until or (peer is not None and slot.peer != peer):
            continue
        if found is None or found.idle_since is None or since < found.idle_since:
            found = slot
    return found
