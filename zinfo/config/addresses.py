"""Reads the addresses that a configuration holds: shard URLs, ZeroMQ endpoints, HOST:PORT.

Pure: nothing is resolved or opened. What is wrong is told without the address itself, which may
hold a password.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote

DEFAULT_REDIS_PORT = 6379

MAX_SOCKET_PATH = 107
"""Bytes of a Unix socket's path on Linux (sun_path, less its closing NUL)."""

MAX_HOST = 253
"""Characters of a name in DNS."""

MAX_PORT = 65535

_EVERY_ADDRESS = frozenset({"*", "0.0.0.0", "[::]"})  # hosts that stand for all of a machine's

_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_DATABASE = re.compile(r"(/\d{0,4})?", re.ASCII)

_ENCODE = "; in a password, @ : / ? # and % are written %40 %3A %2F %3F %23 %25"


class ShardAddress(NamedTuple):
    """A shard's URL, taken apart.

    Attributes:
        url: the URL without user, password and database, its port always given.
        ident: the shard's id where none is configured: `host:port`, or the socket's path.
        tls: whether the connection is encrypted (`rediss://`).
        username: user in the URL; None without one.
        password: password in the URL; None without one.
    """

    url: str
    ident: str
    tls: bool
    username: str | None
    password: str | None


def parse_shard_url(url: str) -> ShardAddress:
    """Take a shard's URL apart: `redis://`, `rediss://` or `unix://`.

    Raises:
        ValueError: it cannot be used; the message says why and holds nothing of the URL.
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator:
        raise ValueError("it has no scheme")
    if scheme not in ("redis", "rediss", "unix"):
        raise ValueError("its scheme is another one")
    if not url.isprintable() or " " in url:
        raise ValueError("it holds white space or control characters")
    if "?" in rest or "#" in rest:
        raise ValueError("it has a ? or a #; options have keys of their own" + _ENCODE)
    credentials, _, place = rest.rpartition("@") if not rest.startswith("/") else ("", "", rest)
    if "/" in credentials:
        raise ValueError("it has a / before its @" + _ENCODE)
    username, _, password = credentials.partition(":")
    user, secret = unquote(username) or None, unquote(password) or None
    if scheme == "unix":
        return ShardAddress(f"unix://{place}", _socket_path(place), False, user, secret)
    slash = place.find("/")
    authority, path = (place, "") if slash < 0 else (place[:slash], place[slash:])
    if not _DATABASE.fullmatch(path):
        raise ValueError("after host and port comes at most a database number")
    host, port = _split_host(authority, default_port=str(DEFAULT_REDIS_PORT))
    if host == "*":
        raise ValueError("its host is *")
    address = f"{check_host(host).lower()}:{_port_number(port)}"
    return ShardAddress(f"{scheme}://{address}", address, scheme == "rediss", user, secret)


def check_endpoint(endpoint: str, *, for_clients: bool = False) -> str:
    """Return a ZeroMQ endpoint unchanged if it can be bound: `tcp://host:port` or `ipc://path`.

    Args:
        endpoint: `*` as host is every address, `*` as port one that is free.
        for_clients: it is one to connect to, where `*` means nothing.

    Raises:
        ValueError: it cannot be used; the message says why.
    """
    scheme, separator, rest = endpoint.partition("://")
    if not separator:
        raise ValueError("it has no scheme")
    if scheme == "inproc":
        raise ValueError("inproc:// reaches no other process")
    if scheme not in ("tcp", "ipc"):
        raise ValueError("its scheme is another one")
    if not endpoint.isprintable() or " " in endpoint:
        raise ValueError("it holds white space or control characters")
    if for_clients and "*" in rest:
        raise ValueError("clients cannot connect to a *")
    if scheme == "ipc":
        if not 0 < len(rest.encode()) <= MAX_SOCKET_PATH:
            raise ValueError(f"the path of a socket has 1 to {MAX_SOCKET_PATH} bytes")
        return endpoint
    host, port = _split_host(rest)
    check_host(host)
    if port != "*":
        _port_number(port)
    return endpoint


def is_local(endpoint: str) -> bool:
    """Return whether only this machine reaches a checked endpoint: a socket's path or loopback.

    A name other than `localhost` counts as foreign: where it leads to is known only by asking.
    """
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc":
        return True
    host = rest.rpartition(":")[0].strip("[]")
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def overlap(one: str, other: str) -> bool:
    """Return whether two checked endpoints cannot both be bound: one address, or one within both.

    Names are not looked up: two names of one address count as two.
    """
    if not (one.startswith("tcp://") and other.startswith("tcp://")):
        return one == other
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    if port != other_port or port in ("*", "0"):
        return False
    hosts = {host.removeprefix("tcp://").lower(), other_host.removeprefix("tcp://").lower()}
    return len(hosts) == 1 or not hosts.isdisjoint(_EVERY_ADDRESS)


def parse_listen(listen: str) -> tuple[str, int]:
    """Split `HOST:PORT` (an IPv6 address in brackets); port 0 is one that is free.

    Returns:
        The host, without brackets, and the port.

    Raises:
        ValueError: it is not of that form; the message says why.
    """
    host, port = _split_host(listen)
    if host == "*":
        raise ValueError("its host is *; every address is 0.0.0.0 or [::]")
    return check_host(host).strip("[]"), 0 if port == "0" else _port_number(port)


def check_host(host: str) -> str:
    """Return a host's name, IPv4 address, IPv6 address in brackets, or `*`, if it can be one."""
    if host == "*":
        return host
    if host.startswith("[") and host.endswith("]"):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise ValueError("what stands in [ ] is no IPv6 address") from None
        return host
    if ":" in host:
        raise ValueError("an IPv6 address stands in [ ]")
    if not host:
        raise ValueError("it has no host")
    if len(host) > MAX_HOST or not _HOST_NAME.fullmatch(host):
        raise ValueError("its host is no name and no address")
    return host


def _split_host(authority: str, default_port: str | None = None) -> tuple[str, str]:
    """Split `host:port`; the port is not looked at yet."""
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        if default_port is None:
            raise ValueError("it has no port")
        return authority, default_port
    return host, port


def _port_number(port: str) -> int:
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= MAX_PORT:
        raise ValueError("its port is not a number from 1 to 65535")
    return int(port)


def _socket_path(place: str) -> str:
    path = unquote(place)
    if not path.startswith("/"):
        raise ValueError("a socket's path is absolute: unix:///run/redis.sock has three slashes")
    if "\0" in path or not 1 < len(path.encode()) <= MAX_SOCKET_PATH:
        raise ValueError(f"the path of a socket has 2 to {MAX_SOCKET_PATH} bytes, none of them 0")
    return path
