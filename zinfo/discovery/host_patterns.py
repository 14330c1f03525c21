"""HostPatterns: the hosts that may receive certain credentials. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

MAX_PATTERNS = 1000
"""Maximum number of patterns in one set."""

_ADDRESS_PATTERN = re.compile(r"[0-9.*?]+|[0-9a-f:.*?]*:[0-9a-f:.*?]*")
_WILDCARDS = {"*": ".*", "?": "."}


class HostPatterns:
    """Patterns of host names, IP addresses, networks and paths of Unix sockets.

    `*` and `?` are wildcards, as in `*.example.net`; `10.0.0.0/8` is a network. A pattern of an
    address, such as `10.20.*`, matches addresses only: it does not match the name `10.20.evil.net`.

    Args:
        patterns: the patterns. An IPv6 address may be in brackets.

    Raises:
        ValueError: a pattern is empty or not a network, or there are too many.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        if len(self.patterns) > MAX_PATTERNS:
            raise ValueError(f"there are more than {MAX_PATTERNS} patterns")
        names, addresses, paths = [], [], []
        self._networks: list[IPv4Network | IPv6Network] = []
        for pattern in self.patterns:
            text = _normalized(pattern)
            if not text:
                raise ValueError("a pattern is empty")
            if text.startswith("/"):
                paths.append(text)
            elif "/" in text:
                self._networks.append(ip_network(text))
            elif text == "*":
                names.append(text)
                addresses.append(text)
                paths.append(text)
            elif _ADDRESS_PATTERN.fullmatch(text):
                addresses.append(text)
            else:
                names.append(text)
        self._names, self._addresses = _compiled(names), _compiled(addresses)
        self._paths = _compiled(paths)

    def matches(self, host: str) -> bool:
        """Return whether a host may receive the credentials.

        Args:
            host: name or IP address without brackets, or the path of a Unix socket.
        """
        host = _normalized(host)
        if host.startswith("/"):
            return self._paths.fullmatch(host) is not None
        try:
            address = ip_address(host)
        except ValueError:
            return self._names.fullmatch(host) is not None
        if self._addresses.fullmatch(host) is not None:
            return True
        return any(address in network for network in self._networks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostPatterns) and self.patterns == other.patterns

    def __hash__(self) -> int:
        return hash(self.patterns)

    def __repr__(self) -> str:
        return f"HostPatterns({self.patterns!r})"


def _normalized(text: str) -> str:
    """Return a pattern or a host in lower case, without brackets and final dot; paths as is."""
    if text.startswith("/"):
        return text
    text = text.lower().rstrip(".")
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def _compiled(patterns: Iterable[str]) -> re.Pattern[str]:
    forms = ("".join(_WILDCARDS.get(one, re.escape(one)) for one in text) for text in patterns)
    return re.compile("|".join(forms) or r"(?!)", re.DOTALL)
