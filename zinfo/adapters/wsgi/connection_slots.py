"""Places: the connections that a server has at a time, and whose they are.

Each peer has a share of the places. A connection beyond it takes the place of one of the same peer
that waits for a request, if there is one; else it gets a spare place, from which only the health
routes may be asked. So neither many connections nor unfinished requests keep a probe out.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

import gevent
import gevent.socket

from zinfo.adapters.wsgi.client_shares import Shares

SPARE_PLACES: Final = 32
"""Connections that may ask the health routes only, beside all others."""

_PATIENCE: Final = 1.0
"""Seconds for which a connection may wait for a request before another one can take its place."""


class Place:
    """One connection's place.

    Attributes:
        peer: whose connection it is.
        is_spare: whether only the health routes may be asked.
        client: name of the client that asks through it; "" where it has none, or not yet.
        waits_since: monotonic clock, in seconds, since when it waits for a whole request; None
            while one is answered.
    """

    __slots__ = ("_greenlet", "client", "is_spare", "peer", "waits_since")

    def __init__(self, peer: str, *, is_spare: bool) -> None:
        self.peer = peer
        self.is_spare = is_spare
        self.client = ""
        self.waits_since: float | None = time.monotonic()
        self._greenlet = gevent.getcurrent()

    def wait(self) -> None:
        """Note that the connection waits for a request."""
        self.waits_since = time.monotonic()

    def work(self) -> None:
        """Note that a request is answered."""
        self.waits_since = None

    def end(self) -> None:
        """End the connection: its greenlet is killed, and closes the socket."""
        self._greenlet.kill(block=False)  # type: ignore[attr-defined]  # all are Greenlets of a pool


class Places:
    """All places of one server.

    Args:
        total: connections at a time, beside those in spare places.
    """

    def __init__(self, total: int) -> None:
        self._shares = Shares(total)
        self._clients = Shares(total)
        self._held: dict[Place, None] = {}  # in the order of their coming
        self._spare: dict[Place, None] = {}

    @property
    def total(self) -> int:
        """How many connections there can be, beside those in spare places."""
        return self._shares.total

    @property
    def most(self) -> int:
        """How many connections there can be, those included that are about to end."""
        return self.total + 2 * SPARE_PLACES

    def enter(self, peer: str) -> Place | None:
        """Return a place for the calling greenlet's new connection; None where there is none."""
        if not self._shares.take(peer):
            of_whom = None if self._shares.has_share_left(peer) else peer
            longest = _longest_waiting(self._held, of_whom, _PATIENCE)
            if longest is None:
                return self._enter_spare(peer)
            self._end(longest)
            self._shares.take(peer)
        place = Place(peer, is_spare=False)
        self._held[place] = None
        return place

    def _enter_spare(self, peer: str) -> Place | None:
        if len(self._spare) >= SPARE_PLACES:
            most = Counter(place.peer for place in self._spare).most_common(1)[0][0]
            longest = _longest_waiting(self._spare, most, 0)
            if longest is None:
                return None
            self._end(longest)
        place = Place(peer, is_spare=True)
        self._spare[place] = None
        return place

    def leave(self, place: Place) -> None:
        """Give a place back; one whose connection was ended already has none any more."""
        if self._spare.pop(place, place) is None:
            return
        if self._held.pop(place, place) is None:
            self._shares.give_back(place.peer)
            if place.client:
                self._clients.give_back(place.client)

    def name(self, place: Place, client: str) -> bool:
        """Note which client asks through a place; return whether it has a share left for it."""
        if place.is_spare or client == place.client:
            return True
        if client and not self._clients.take(client):
            return False
        if place.client:
            self._clients.give_back(place.client)
        place.client = client
        return True

    def _end(self, place: Place) -> None:
        self.leave(place)
        place.end()


def _longest_waiting(places: Iterable[Place], peer: str | None, patience: float) -> Place | None:
    """Return the place that has waited longest, of a peer or (None) of anybody."""
    until = time.monotonic() - patience
    found: Place | None = None
    for place in places:
        since = place.waits_since
        if since is None or since > until or (peer is not None and place.peer != peer):
            continue
        if found is None or found.waits_since is None or since < found.waits_since:
            found = place
    return found
