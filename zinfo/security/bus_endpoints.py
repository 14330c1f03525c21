"""Which set of rights has which endpoint of the bus. Pure.

The set of the clients without limits has `bus.endpoint`. Each other set has what `bus.endpoints`
says for one of its clients, or else the next address: the bus's port plus 1, 2, ..., in the order
of the names of each set's first client.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from zinfo.security.bus_rights import UNLIMITED, BusRights
from zinfo.wire.addresses import MAX_PORT, Endpoint, parse_endpoint

MAX_SETS = 64
"""Distinct sets of rights beside the unlimited one: each has a socket, and is a send more."""


class Place(NamedTuple):
    """Where the clients of one set of rights find the bus.

    Attributes:
        rights: the set.
        clients: names of its clients, in order.
        endpoint: where to bind; a port of `*` is any free one.
        number: of the address after that of the bus; 0 where the configuration names the endpoint.
    """

    rights: BusRights
    clients: tuple[str, ...]
    endpoint: str
    number: int = 0

    @property
    def key(self) -> str:
        """The configuration key that sets this endpoint."""
        if self.rights == UNLIMITED:
            return "bus.endpoint"
        return f"bus.endpoints.{self.clients[0] if self.clients else 'NAME'}"


class PlaceError(ValueError):
    """The sets of rights cannot be placed.

    Attributes:
        client: the name in `bus.endpoints` that is to blame; "" where it is none.
    """

    def __init__(self, message: str, client: str = "") -> None:
        super().__init__(message)
        self.client = client


def sets_of(clients: Mapping[str, BusRights | None]) -> dict[BusRights, tuple[str, ...]]:
    """Return the names of the clients of each limited set, by the order of their first names."""
    sets: dict[BusRights, tuple[str, ...]] = {}
    for name in sorted(clients):
        rights = clients[name]
        if rights is not None and rights != UNLIMITED:
            sets[rights] = (*sets.get(rights, ()), name)
    return sets


def place_sets(
    bus: str,
    named: Mapping[str, str],
    clients: Mapping[str, BusRights | None],
    before: Sequence[Place] = (),
) -> list[Place]:
    """Return a place for each limited set of rights.

    Args:
        bus: endpoint of the bus as configured.
        named: endpoints by client, as configured.
        clients: what each client may get from the bus; None for nothing.
        before: the places so far, which sets keep.

    Raises:
        PlaceError: why there is none.
    """
    sets = sets_of(clients)
    if len(sets) > MAX_SETS:
        raise PlaceError(
            f"found {len(sets)} different sets of rights on the bus, expected at most {MAX_SETS}"
        )
    _check_names(bus, named, clients)
    endpoints = {rights: _named(named, names) for rights, names in sets.items()}
    taken = _check_distinct(bus, endpoints)
    unnamed = [rights for rights, endpoint in endpoints.items() if not endpoint]
    numbers = _numbers(unnamed, sets, before, _free_numbers(bus, taken))
    return [
        Place(
            rights,
            names,
            endpoints[rights] or next_endpoint(bus, numbers[rights]),
            numbers.get(rights, 0),
        )
        for rights, names in sets.items()
    ]


def next_endpoint(bus: str, number: int) -> str:
    """Return the address that is so many after that of the bus.

    Raises:
        PlaceError: there is none.
    """
    parsed = parse_endpoint(bus)
    if parsed.scheme != "tcp":
        return f"{bus}-{number}"
    if not parsed.port:
        return bus
    if parsed.port + number > MAX_PORT:
        raise PlaceError(f"found no port after that of the bus for {number} sets of rights")
    return str(parsed._replace(port=parsed.port + number))


def any_port(endpoint: str) -> bool:
    """Return whether an endpoint stands for any free port."""
    parsed = parse_endpoint(endpoint)
    return parsed.scheme == "tcp" and not parsed.port


def advertised(advertise: str, endpoint: str) -> str:
    """Return the endpoint of a set as its clients are told it.

    Args:
        advertise: the endpoint of the bus as clients are told it; "" where they are told its own.
        endpoint: where the set's socket is bound.
    """
    if not advertise:
        return endpoint
    shown, bound = parse_endpoint(advertise), parse_endpoint(endpoint)
    if not shown.scheme == bound.scheme == "tcp":
        return endpoint
    return str(shown._replace(port=bound.port))


def overlap(one: Endpoint, other: Endpoint) -> bool:
    """Return whether two endpoints cannot both be bound: one address, or one within both.

    Names are not looked up: two names of one address count as two.
    """
    if not one.scheme == other.scheme == "tcp":
        return one == other
    if one.port != other.port or one.port == 0:
        return False
    same = one.host.lower() == other.host.lower()
    return same or one.is_every_address or other.is_every_address


def _check_names(
    bus: str, named: Mapping[str, str], clients: Mapping[str, BusRights | None]
) -> None:
    for name, endpoint in named.items():
        if name not in clients:
            raise PlaceError("found a client that no table [clients.NAME] names", name)
        if clients[name] == UNLIMITED and endpoint != bus:
            raise PlaceError(
                "found an endpoint for a client without limits, which has bus.endpoint", name
            )


def _named(named: Mapping[str, str], clients: Sequence[str]) -> str:
    found = [name for name in clients if name in named]
    for name in found[1:]:
        if named[name] != named[found[0]]:
            raise PlaceError(
                f"found another endpoint than that of {found[0]}, which has the same rights and so "
                "the same socket: expected the same endpoint, or one of the two keys alone",
                name,
            )
    return named[found[0]] if found else ""


def _check_distinct(bus: str, endpoints: Mapping[BusRights, str]) -> set[str]:
    taken: set[str] = set()
    for endpoint in endpoints.values():
        if not endpoint or any_port(endpoint):
            continue
        if endpoint in taken or endpoint == bus:
            raise PlaceError(
                f"found {endpoint} for clients of different rights, expected one for each set"
            )
        taken.add(endpoint)
    return taken


def _free_numbers(bus: str, taken: set[str]) -> Iterator[int]:
    number = 0
    while True:
        number += 1
        if any_port(bus) or next_endpoint(bus, number) not in taken:
            yield number


def _numbers(
    unnamed: Sequence[BusRights],
    sets: Mapping[BusRights, tuple[str, ...]],
    before: Sequence[Place],
    free: Iterator[int],
) -> dict[BusRights, int]:
    """Return the number of each set without a name: the one it has, its first client's, or next."""
    numbers = {place.rights: place.number for place in before if place.number}
    numbers = {rights: numbers[rights] for rights in unnamed if rights in numbers}
    for rights in unnamed:
        if rights not in numbers:
            for place in before:
                first = place.clients[:1] == sets[rights][:1]
                if place.number and first and place.number not in numbers.values():
                    numbers[rights] = place.number
    held = set(numbers.values())
    for rights in unnamed:
        if rights not in numbers:
            numbers[rights] = next(number for number in free if number not in held)
    return numbers
