"""Where a client connects to. Pure."""

from __future__ import annotations

from zinfo.errors import ConfigError
from zinfo.wire.addresses import parse_endpoint


def checked(endpoint: str) -> str:
    """Return the endpoint as it is.

    Raises:
        ConfigError: no client can connect to it; the message holds nothing of it, as a user may
            have given a URL with a password.
    """
    try:
        parse_endpoint(endpoint, for_clients=True)
    except ValueError as error:
        raise ConfigError(
            [f"no endpoint to connect to: {error}; expected one like tcp://127.0.0.1:9736"]
        ) from None
    return endpoint


def checked_or_none(endpoint: str | None) -> str | None:
    """Return `checked(endpoint)`, or None where none was given."""
    return None if endpoint is None else checked(endpoint)


def reachable(bus: str, query: str) -> str:
    """Return the bus endpoint as seen from here.

    A daemon that binds all addresses cannot know by which one it is reached; but the query endpoint
    was just reached by one.

    Args:
        bus: what hello said.
        query: the query endpoint that was asked.
    """
    try:
        there, here = parse_endpoint(bus), parse_endpoint(query)
    except ValueError:  # of a daemon's own making: ZeroMQ decides
        return bus
    if there.is_every_address and here.host:
        return str(there._replace(host=here.host))
    return bus
