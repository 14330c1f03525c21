"""The endpoints of a Fleet: those that are given, and those that DNS has for a name.

`dns+tcp://NAME:PORT` stands for every address (A and AAAA record) of a name, such as that of a
headless Service in Kubernetes. Everything but `lookup` is pure.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from zinfo.client.endpoints import checked
from zinfo.errors import ConfigError, NoAnswerError
from zinfo.wire.addresses import Endpoint, host_port, parse_endpoint

DNS_SCHEME: Final = "dns+tcp://"
"""Begin of an endpoint that stands for all addresses of a name."""

MAX_MEMBERS: Final = 1024
"""Greatest number of endpoints of a Fleet; further addresses of a name are ignored."""

RESOLVE_INTERVAL: Final = 30.0
"""Seconds between two lookups of a name."""

RETRY_INTERVAL: Final = 2.0
"""Seconds until the next lookup while a name has no address."""


class DnsName(NamedTuple):
    """A name that stands for the daemons at all of its addresses; `str()` returns the endpoint.

    Attributes:
        host: the name.
        port: TCP port of the query endpoint of each daemon.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"{DNS_SCHEME}{self.host}:{self.port}"


class GivenEndpoints(NamedTuple):
    """The endpoints that a user gave, in their order.

    Attributes:
        items: an endpoint as libzmq expects it, or a name.
    """

    items: tuple[str | DnsName, ...]

    @property
    def names(self) -> tuple[DnsName, ...]:
        """The names."""
        return tuple(item for item in self.items if isinstance(item, DnsName))

    def current(self, addresses: Mapping[DnsName, Collection[str]]) -> list[str]:
        """Return the endpoints, each once, and at most `MAX_MEMBERS`.

        Args:
            addresses: endpoints of each name.
        """
        found: dict[str, None] = {}
        for item in self.items:
            endpoints = addresses.get(item, ()) if isinstance(item, DnsName) else (item,)
            found.update(dict.fromkeys(endpoints))
        return list(found)[:MAX_MEMBERS]


def given(endpoints: str | Collection[str]) -> GivenEndpoints:
    """Check the endpoints of a Fleet.

    Args:
        endpoints: one endpoint or several; `dns+tcp://NAME:PORT` is a name.

    Raises:
        ConfigError: there are none, or too many, or one is invalid.
    """
    texts = [endpoints] if isinstance(endpoints, str) else list(endpoints)
    if not 1 <= len(texts) <= MAX_MEMBERS:
        raise ConfigError([f"{len(texts)} endpoints, expected 1 to {MAX_MEMBERS}"])
    items = [_name(text) if text.startswith(DNS_SCHEME) else checked(text) for text in texts]
    return GivenEndpoints(tuple(dict.fromkeys(items)))


def lookup(name: DnsName) -> tuple[str, ...]:
    """Return the endpoints at all addresses of a name, sorted; it waits for the name server.

    A name with as many IPv6 as IPv4 addresses is that of daemons with one of each, as in a cluster
    with both protocols. Only the IPv4 addresses are returned then.

    Raises:
        NoAnswerError: the name has no address, or no name server answers.
    """
    try:
        found = socket.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a name in DNS"
        raise NoAnswerError(f"no address of {name.host}: {why}") from None
    addresses = {str(address[0]) for *_, address in found}
    ipv4 = {address for address in addresses if ":" not in address}
    if 2 * len(ipv4) == len(addresses):
        addresses = ipv4
    return tuple(sorted(f"tcp://{host_port(address, name.port)}" for address in addresses))


def _name(text: str) -> DnsName:
    try:
        parsed: Endpoint = parse_endpoint(f"tcp://{text[len(DNS_SCHEME) :]}", for_clients=True)
    except ValueError as error:
        raise ConfigError(
            [f"no endpoint to connect to: {error}; expected one like {DNS_SCHEME}zinfo.prod:9736"]
        ) from None
    return DnsName(parsed.host.strip("[]").lower(), parsed.port)
