"""Shares: how many of something limited one client may hold. Pure."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

LOCAL: Final = "this machine"
"""The peer of all loopback addresses."""

_LOCAL_PART: Final = 3, 4  # of all: this machine's peers may be a proxy's many clients
_PEER_PART: Final = 1, 4  # of all: each other address or client name

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def peer_of(address: str, proxies: Iterable[Network] = ()) -> str:
    """Return who has an address, for the shares.

    Args:
        address: of a connection's other end. An IPv6 /64 is one peer: a host has all of its
            addresses.
        proxies: networks whose addresses have many clients behind them.
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


_PROXY = "proxy "


class Shares:
    """Counts what each holder has of something of which there is so much.

    Args:
        total: how many there are. Each holder may have a quarter of them; this machine and each
            proxy three quarters.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._held: Counter[str] = Counter()
        self._taken = 0

    def __len__(self) -> int:
        """Return how many are held."""
        return self._taken

    @property
    def is_spent(self) -> bool:
        """Whether all are held."""
        return self._taken >= self.total

    def share_of(self, holder: str) -> int:
        """Return how many a holder may have."""
        shared = holder == LOCAL or holder.startswith(_PROXY)
        part, whole = _LOCAL_PART if shared else _PEER_PART
        return max(1, self.total * part // whole)

    def has_share_left(self, holder: str) -> bool:
        """Return whether a holder has less than its share."""
        return self._held[holder] < self.share_of(holder)

    def take(self, *holders: str) -> bool:
        """Take one in the name of all the holders, if each has a share left and there is one."""
        if self.is_spent or not all(map(self.has_share_left, holders)):
            return False
        self._taken += 1
        self._held.update(holders)
        return True

    def give_back(self, *holders: str) -> None:
        """Give one back that was taken in the name of these holders."""
        self._taken -= 1
        for holder in holders:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]


class Held:
    """The body of an answer that holds a share; it is given back when the server closes the body.

    Args:
        body: what is sent.
        give_back: is called once; whether or not anything was sent.
    """

    def __init__(self, body: Iterator[bytes], give_back: Callable[[], None]) -> None:
        self._body = body
        self._give_back: Callable[[], None] | None = give_back

    def __iter__(self) -> Iterator[bytes]:
        """Return what is sent."""
        return self._body

    def close(self) -> None:
        """End the body; WSGI servers call this."""
        end = getattr(self._body, "close", None)
        if end is not None:
            end()
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()
