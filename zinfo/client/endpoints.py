"""Where a client connects to. Pure."""

from __future__ import annotations

import re

from zinfo.errors import ConfigError

_ENDPOINT = re.compile(r"tcp://(?P<host>.+):(?P<port>\d{1,5})|(ipc|inproc)://.+")
_ANYWHERE = frozenset({"*", "0.0.0.0", "[::]", "::"})  # hosts that a server binds but nobody dials


def checked(endpoint: str) -> str:
    """Return the endpoint as it is.

    Raises:
        ConfigError: it is none that can be connected to.
    """
    found = _ENDPOINT.fullmatch(endpoint)
    if not found or not 0 < int(found["port"] or 1) < 65536:
        raise ConfigError([f"{endpoint!r} is no endpoint: expected one like tcp://127.0.0.1:9736"])
    return endpoint


def reachable(bus: str, query: str) -> str:
    """Return the bus endpoint as seen from here.

    A daemon that binds all addresses cannot know by which one it is reached; but the query endpoint
    was just reached by one.

    Args:
        bus: what hello said.
        query: the query endpoint that was asked.
    """
    there, here = _ENDPOINT.fullmatch(bus), _ENDPOINT.fullmatch(query)
    if there and here and there["host"] in _ANYWHERE and here["host"]:
        return f"tcp://{here['host']}:{there['port']}"
    return bus
