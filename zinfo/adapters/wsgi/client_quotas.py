"""Per-client quotas: how many of a limited number of things one client may hold. Pure."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

LOCAL: Final = "this machine"
"""Peer name of all loopback addresses."""

_SHARED_PART: Final = 3, 4
"""Part of the total for this machine and for each proxy: many clients may be behind it."""

_PEER_PART: Final = 1, 4
"""Part of the total for any other address or client name."""

_PROXY: Final = "proxy "

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def peer_of(address: str, proxies: Iterable[Network] = ()) -> str:
    """Return the name under which quotas count the connections from an address.

    Args:
        address: of the other end of a connection. All addresses of an IPv6 /64 network are one
            peer, because a single host can use all of them.
        proxies: networks of addresses that many clients share.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return LOCAL
    if any(ip in network for network in proxies):
        return f"{_PROXY}{ip}"
    if ip.version == 6:
        return str(ipaddress.IPv6Network((ip, 64), strict=False))
    return str(ip)


class ClientQuotas:
    """Counts how many units of a limited resource each client holds.

    Args:
        total: units of the resource. Each client may hold a quarter of them; this machine and each
            proxy may hold three quarters.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._held: Counter[str] = Counter()
        self._acquired = 0

    def __len__(self) -> int:
        """Return how many units are held."""
        return self._acquired

    @property
    def exhausted(self) -> bool:
        """Whether all units are held."""
        return self._acquired >= self.total

    def quota_of(self, client: str) -> int:
        """Return how many units a client may hold."""
        shared = client == LOCAL or client.startswith(_PROXY)
        part, whole = _SHARED_PART if shared else _PEER_PART
        return max(1, self.total * part // whole)

    def below_quota(self, client: str) -> bool:
        """Return whether a client holds fewer units than its quota."""
        return self._held[client] < self.quota_of(client)

    def acquire(self, *clients: str) -> bool:
        """Acquire one unit that counts for each of the clients; return whether that was possible.

        A connection, for example, counts for its address and for the name of its client.
        """
        if self.exhausted or not all(map(self.below_quota, clients)):
            return False
        self._acquired += 1
        self._held.update(clients)
        return True

    def release(self, *clients: str) -> None:
        """Release one unit that was acquired for the same clients."""
        self._acquired -= 1
        for client in clients:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]


class ReleasingBody:
    """A response body that releases a quota when the server closes it.

    Args:
        body: the chunks to send.
        release: called once, whether or not a chunk was sent.
    """

    def __init__(self, body: Iterator[bytes], release: Callable[[], None]) -> None:
        self._body = body
        self._release: Callable[[], None] | None = release

    def __iter__(self) -> Iterator[bytes]:
        """Return the chunks to send."""
        return self._body

    def close(self) -> None:
        """Close the body and release the quota; the WSGI server calls this (PEP 3333)."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
        release, self._release = self._release, None
        if release is not None:
            release()
