"""HostPatterns: the hosts that may receive certain credentials. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

MAX_PATTERNS = 1000
"""Maximum number of patterns in one set."""

_NUMERIC = re.compile(r"[0-9.*?]+|[0-9a-fA-F:.*?]*:[0-9a-fA-F:.*?]*")


class HostPatterns:
    """Patterns of host names, IP addresses and networks.

    `*` and `?` are wildcards, as in `*.example.net`; `10.0.0.0/8` is a network. A pattern of an
    address, such as `10.20.*`, matches addresses only: it does not match the name `10.20.evil.net`.

    Args:
        patterns: the patterns.

    Raises:
        ValueError: a pattern is empty or not a network, or there are too many.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        if len(self.patterns) > MAX_PATTERNS:
            raise ValueError(f"there are more than {MAX_PATTERNS} patterns")
        names, addresses = [], []
        self._networks: list[IPv4Network | IPv6Network] = []
        for pattern in self.patterns:
            text = pattern.lower().rstrip(".")
            if not text:
                raise ValueError("a pattern is empty")
            if "/" in text and not text.startswith("/"):
                self._networks.append(ip_network(text))
            elif text == "*":
                names.append(text)
                addresses.append(text)
            elif _NUMERIC.fullmatch(text):
                addresses.append(text)
            else:
                names.append(text)
        self._names = _compiled(names)
        self._addresses = _compiled(addresses)

    def matches(self, host: str) -> bool:
        """Return whether a host may receive the credentials.

        Args:
            host: name or IP address without brackets, or the path of a Unix socket.
        """
        host = host.lower().rstrip(".")
        try:
            address = ip_address(host)
        except ValueError:
            return self._names.fullmatch(host) is not None
        if self._addresses.fullmatch(host) is not None:
            return True
        return any(address in network for network in self._networks)


def _compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)) or r"(?!)")
