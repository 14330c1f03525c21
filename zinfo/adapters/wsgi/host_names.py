"""Under which host's names a server answers: the defence against DNS rebinding.

A web page may have its own name lead to this machine's address. The browser then lets it read what
the server answers, but still sends that name as Host. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

ANY_HOST: Final = "*"
"""Among the allowed names: all of them."""

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::([0-9]{0,5}))?")
_MAX_PORT: Final = 65_535


def host_of(header: str) -> str:
    """Return the name or address in a Host header: lower case, no port, brackets or final dot.

    Raises:
        ValueError: the header is malformed.
    """
    found = _HOST.fullmatch(header)
    if found is None or int(found[2] or 0) > _MAX_PORT:
        raise ValueError("malformed Host header")
    host = found[1].lower()
    if host.startswith("["):
        return str(ipaddress.IPv6Address(host[1:-1]))  # its error is a ValueError
    host = host.removesuffix(".")
    if not host:
        raise ValueError("malformed Host header")
    return host


class HostNames:
    """The names that a server answers to: localhost, any IP address, and those it is given.

    An address is no danger: nobody can have another machine's address in his own page's name.

    Args:
        names: further names; `*` for all.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        given = {name.lower().removesuffix(".") for name in names}
        self._any = ANY_HOST in given
        self._names = given | {"localhost"}

    def allows(self, host: str) -> bool:
        """Return whether the server answers under a name, as `host_of` returns it."""
        if self._any or host in self._names:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
