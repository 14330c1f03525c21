"""Checks and completes the endpoints that a client connects to. Pure."""

from __future__ import annotations

from zinfo.errors import ConfigError
from zinfo.wire.addresses import parse_endpoint, zmq_endpoint


def checked(endpoint: str) -> str:
    """Return the endpoint as libzmq expects it, if a client can connect to it.

    Raises:
        ConfigError: it is not an endpoint. The message does not quote it, as it may be a URL with a
            password.
    """
    try:
        return zmq_endpoint(endpoint, for_clients=True)
    except ValueError as error:
        raise ConfigError(
            [f"no endpoint to connect to: {error}; expected one like tcp://127.0.0.1:9736"]
        ) from None


def checked_or_none(endpoint: str | None) -> str | None:
    """Return `checked(endpoint)`, or None where none was given."""
    return None if endpoint is None else checked(endpoint)


def reachable(bus: str, query: str) -> str:
    """Return the bus endpoint with an address that this client can connect to.

    A daemon that binds all addresses reports 0.0.0.0 or the like. The host of its query endpoint is
    used instead, as that one has just been reached.

    Args:
        bus: the bus endpoint in the reply to hello.
        query: the query endpoint that sent the reply.
    """
    try:
        there, here = parse_endpoint(bus), parse_endpoint(query)
    except ValueError:  # an endpoint that only ZeroMQ may understand
        return bus
    if there.is_every_address and here.host:
        return str(there._replace(host=here.host))
    return bus
