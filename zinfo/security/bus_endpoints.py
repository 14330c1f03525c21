"""Assigns a bus endpoint to each set of rights. Pure.

Clients without limits use `bus.endpoint`. Each limited set uses the address that `bus.endpoints`
configures for one of its clients, or else the next free address: the port of `bus.endpoint` plus 1,
2, ..., in the order of the name of each set's first client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import NamedTuple

from zinfo.security.bus_rights import UNLIMITED, BusRights
from zinfo.wire.addresses import MAX_PORT, Endpoint, lower_host, parse_endpoint

MAX_SETS = 64
"""Maximum number of limited sets of rights: each costs a socket, and a send per message."""


class BusEndpoint(NamedTuple):
    """The endpoint of the bus for one set of rights.

    Attributes:
        rights: the set of rights.
        clients: names of the clients that have these rights, sorted.
        address: address to bind; the port `*` means any free port.
        offset: distance from the address of `bus.endpoint`, in ports; 0 where the configuration
            names the address.
    """

    rights: BusRights
    clients: tuple[str, ...]
    address: str
    offset: int = 0

    @property
    def key(self) -> str:
        """The configuration key that sets this address."""
        if self.rights == UNLIMITED:
            return "bus.endpoint"
        return f"bus.endpoints.{self.clients[0] if self.clients else 'NAME'}"


class BusEndpointError(ValueError):
    """The sets of rights cannot be assigned endpoints.

    Attributes:
        client: the client in `bus.endpoints` whose entry is wrong; "" if no single entry is.
    """

    def __init__(self, message: str, client: str = "") -> None:
        super().__init__(message)
        self.client = client


def group_by_rights(clients: Mapping[str, BusRights | None]) -> dict[BusRights, tuple[str, ...]]:
    """Return the clients of each limited set of rights, ordered by each set's first client."""
    sets: dict[BusRights, tuple[str, ...]] = {}
    for name in sorted(clients):
        rights = clients[name]
        if rights is not None and rights != UNLIMITED:
            sets[rights] = (*sets.get(rights, ()), name)
    return sets


def assign_endpoints(
    bus: str,
    named: Mapping[str, str],
    clients: Mapping[str, BusRights | None],
    before: Sequence[BusEndpoint] = (),
) -> list[BusEndpoint]:
    """Return an endpoint for each limited set of rights.

    Args:
        bus: `bus.endpoint` of the configuration.
        named: `bus.endpoints` of the configuration: addresses by client.
        clients: each client's rights on the bus; None for a client that may receive nothing.
        before: the endpoints assigned so far; a set that is among them keeps its offset.

    Raises:
        BusEndpointError: there are too many sets, or `named` contradicts `clients` or itself.
    """
    sets = group_by_rights(clients)
    if len(sets) > MAX_SETS:
        raise BusEndpointError(
            f"found {len(sets)} different sets of rights on the bus, expected at most {MAX_SETS}"
        )
    _check_names(bus, named, clients)
    addresses = {rights: _named(named, names) for rights, names in sets.items()}
    taken = _check_distinct(bus, addresses)
    unnamed = [rights for rights, address in addresses.items() if not address]
    offsets = _offsets(unnamed, sets, before, _free_offsets(bus, taken))
    return [
        BusEndpoint(
            rights,
            names,
            addresses[rights] or offset_address(bus, offsets[rights]),
            offsets.get(rights, 0),
        )
        for rights, names in sets.items()
    ]


def offset_address(bus: str, offset: int) -> str:
    """Return the address whose port is that of the bus plus `offset`.

    Raises:
        BusEndpointError: the port would be above 65535.
    """
    parsed = parse_endpoint(bus)
    if parsed.scheme != "tcp":
        return f"{bus}-{offset}"
    if not parsed.port:
        return bus
    if parsed.port + offset > MAX_PORT:
        raise BusEndpointError(f"found no port after that of the bus for {offset} sets of rights")
    return str(parsed._replace(port=parsed.port + offset))


def any_port(endpoint: str) -> bool:
    """Return whether an endpoint leaves the port to the operating system (`*` or 0)."""
    parsed = parse_endpoint(endpoint)
    return parsed.scheme == "tcp" and not parsed.port


def advertised(advertise: str, endpoint: str) -> str:
    """Return the endpoint that is advertised to the clients of a limited set.

    Args:
        advertise: `bus.advertise` of the configuration; "" advertises the bound endpoint.
        endpoint: the endpoint that the set's socket is bound to.
    """
    if not advertise:
        return endpoint
    shown, bound = parse_endpoint(advertise), parse_endpoint(endpoint)
    if not shown.scheme == bound.scheme == "tcp":
        return endpoint
    return str(shown._replace(port=bound.port))


def overlap(one: Endpoint, other: Endpoint) -> bool:
    """Return whether two endpoints cannot both be bound: they are equal, or one is a wildcard.

    Host names are not resolved: two names of one address count as different addresses.
    """
    if not one.scheme == other.scheme == "tcp":
        return one == other
    if one.port != other.port or one.port == 0:
        return False
    same = lower_host(one.host) == lower_host(other.host)
    return same or one.is_every_address or other.is_every_address


def _check_names(
    bus: str, named: Mapping[str, str], clients: Mapping[str, BusRights | None]
) -> None:
    for name, endpoint in named.items():
        if name not in clients:
            raise BusEndpointError("found a client that no table [clients.NAME] names", name)
        if clients[name] == UNLIMITED and endpoint != bus:
            raise BusEndpointError(
                "found an endpoint for a client without limits, which has bus.endpoint", name
            )


def _named(named: Mapping[str, str], clients: Sequence[str]) -> str:
    found = [name for name in clients if name in named]
    for name in found[1:]:
        if named[name] != named[found[0]]:
            raise BusEndpointError(
                f"found another endpoint than that of {found[0]}, which has the same rights and so "
                "the same socket: expected the same endpoint, or one of the two keys alone",
                name,
            )
    return named[found[0]] if found else ""


def _check_distinct(bus: str, addresses: Mapping[BusRights, str]) -> set[str]:
    taken: set[str] = set()
    for address in addresses.values():
        if not address or any_port(address):
            continue
        if address in taken or address == bus:
            raise BusEndpointError(
                f"found {address} for clients of different rights, expected one for each set"
            )
        taken.add(address)
    return taken


def _free_offsets(bus: str, taken: set[str]) -> Iterator[int]:
    for offset in count(1):
        if any_port(bus) or offset_address(bus, offset) not in taken:
            yield offset


def _offsets(
    unnamed: Sequence[BusRights],
    sets: Mapping[BusRights, tuple[str, ...]],
    before: Sequence[BusEndpoint],
    free: Iterator[int],
) -> dict[BusRights, int]:
    """Return the offset of each set without a configured address.

    A set keeps its offset; a new set takes over that of its first client, or else a free one.
    """
    known = {endpoint.rights: endpoint.offset for endpoint in before if endpoint.offset}
    offsets = {rights: known[rights] for rights in unnamed if rights in known}
    for rights in unnamed:
        if rights not in offsets:
            for endpoint in before:
                same_client = endpoint.clients[:1] == sets[rights][:1]
                if endpoint.offset and same_client and endpoint.offset not in offsets.values():
                    offsets[rights] = endpoint.offset
    reserved = set(offsets.values())
    for rights in unnamed:
        if rights not in offsets:
            offsets[rights] = next(offset for offset in free if offset not in reserved)
    return offsets
