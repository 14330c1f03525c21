"""Host names that a server accepts: the defence against DNS rebinding.

An attacker can make the host name of a web page resolve to the address of this machine. The browser
then allows the page to read the server's responses, but it still sends that name as Host. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

ANY_HOST: Final = "*"
"""Allowed name that stands for all names."""

_HOST: Final = re.compile(
    r"(\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::([0-9]{0,5}))?"
)
_MAX_PORT: Final = 65_535


def host_of(header: str) -> str:
    """Return the name or address in a Host header in lower case.

    It has no port, brackets, zone or final dot.

    Raises:
        ValueError: the header is malformed.
    """
    found = _HOST.fullmatch(header)
    if found is None or int(found[2] or 0) > _MAX_PORT:
        raise ValueError("malformed Host header")
    host = found[1].lower()
    if host.startswith("["):
        address = host[1:-1].partition("%")[0]
        return str(ipaddress.IPv6Address(address))  # its error is a ValueError
    host = host.removesuffix(".")
    if not host:
        raise ValueError("malformed Host header")
    return host


class HostNames:
    """The host names that a server accepts: localhost, any IP address, and the given names.

    IP addresses are safe: the Host header of a page of another host never has this machine's
    address.

    Args:
        names: additional names; `*` for all.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        given = {name.lower().removesuffix(".") for name in names}
        self._any = ANY_HOST in given
        self._names = given | {"localhost"}

    def allows(self, host: str) -> bool:
        """Return whether the server accepts a name, as `host_of` returns it."""
        if self._any or host in self._names:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
