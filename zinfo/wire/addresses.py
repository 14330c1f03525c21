"""The parsers of all addresses: shard URLs, ZeroMQ endpoints and HOST:PORT.

The configuration, the command line, the Python API and the clients all call these functions, so
that a text is the same address, or the same error, in all of them. Pure: no name is resolved and no
socket opened. No error message repeats the address, as it may contain a password.

An IPv6 address is written in brackets. It may have a zone, `[fe80::1%eth0]` or, in the form of RFC
6874, `[fe80::1%25eth0]`. A zone is the name of an interface, whose case matters, or its number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import unquote

SHARD_URLS = "redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH"
"""Forms of a shard's URL, for error messages."""

DEFAULT_REDIS_PORT = 6379
"""Port of a shard whose URL has no port."""

MAX_SOCKET_PATH = 107
"""Longest path of a Unix socket on Linux, in bytes (sun_path without its closing NUL)."""

MAX_HOST = 253
"""Longest name in DNS, in characters."""

MAX_PORT = 65535
"""The highest TCP port."""

_EVERY_ADDRESS = frozenset({"*", "0.0.0.0", "[::]"})  # hosts that bind all addresses

_HOST_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
_ZONE = re.compile(r"[\w.-]+")
_ENCODED_PERCENT = re.compile(r"%25(?=.)")  # `%25` alone is the zone of interface 25
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_DATABASE = re.compile(r"(/\d{0,4})?", re.ASCII)

_ENCODE = "; in a password, @ : / ? # and % are written %40 %3A %2F %3F %23 %25"


@dataclass(frozen=True, slots=True)
class ShardAddress:
    """A parsed shard URL.

    Attributes:
        scheme: `redis`, `rediss` or `unix`.
        url: the URL without user, password and database, and with a port.
        host: name or IP address in lower case, without brackets; "" for a Unix socket.
        port: TCP port; 0 for a Unix socket.
        path: path of a Unix socket; "" for TCP.
        username: user in the URL, or None.
        password: password in the URL, or None.
    """

    scheme: str
    url: str
    host: str = ""
    port: int = 0
    path: str = ""
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme == "rediss"

    @property
    def ident(self) -> str:
        """The default id of the shard: `host:port`, or the socket's path."""
        return self.path or host_port(self.host, self.port)


class Endpoint(NamedTuple):
    """A parsed ZeroMQ endpoint; `str()` returns its text.

    Attributes:
        scheme: `tcp`, `ipc` or `inproc`.
        host: as written, an IPv6 address in brackets; `*` for all addresses; "" without TCP.
        port: TCP port; 0 for any free port, which is written `*`.
        path: path of an ipc endpoint or name of an inproc endpoint; "" for TCP.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.scheme != "tcp":
            return f"{self.scheme}://{self.path}"
        return f"tcp://{self.host}:{self.port or '*'}"

    @property
    def is_every_address(self) -> bool:
        """Whether it binds all addresses of a machine, so that clients need another host."""
        return self.host in _EVERY_ADDRESS

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect to it: a socket's path, or a loopback address.

        A name other than `localhost` counts as remote, as its address is not known without DNS.
        """
        host = self.host.strip("[]")
        try:
            return not host or host.lower() == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return False


def parse_shard_url(url: str) -> ShardAddress:
    """Parse a shard's URL: `redis://`, `rediss://` or `unix://`.

    Raises:
        ValueError: the URL is not valid; the message says why and repeats no part of it.
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator:
        raise ValueError("it has no scheme")
    if scheme not in ("redis", "rediss", "unix"):
        raise ValueError("its scheme is not supported")
    _check_text(url)
    if "?" in rest or "#" in rest:
        raise ValueError(
            "it has a ? or a #; options are set by keys of the configuration" + _ENCODE
        )
    credentials, _, place = rest.rpartition("@") if not rest.startswith("/") else ("", "", rest)
    if "/" in credentials:
        raise ValueError("it has a / before its @" + _ENCODE)
    username, _, password = credentials.partition(":")
    user, secret = _decoded(username) or None, _decoded(password) or None
    if scheme == "unix":
        path = _socket_path(place)
        return ShardAddress(scheme, f"unix://{place}", "", 0, path, user, secret)
    slash = place.find("/")
    authority, database = (place, "") if slash < 0 else (place[:slash], place[slash:])
    if not _DATABASE.fullmatch(database):
        raise ValueError("after host and port only a database number may follow")
    host_text, port_text = _split_host(authority, default_port=str(DEFAULT_REDIS_PORT))
    if host_text == "*":
        raise ValueError("its host is *")
    host, port = lower_host(check_host(host_text).strip("[]")), _port_number(port_text)
    clean = f"{scheme}://{host_port(host.replace('%', '%25'), port)}"
    return ShardAddress(scheme, clean, host, port, "", user, secret)


def parse_endpoint(endpoint: str, *, for_clients: bool = False) -> Endpoint:
    """Parse a ZeroMQ endpoint: `tcp://host:port`, `ipc://path` or `inproc://name`.

    Args:
        endpoint: `*` as host is all addresses; `*` as port is any free port.
        for_clients: whether it is to connect to, where `*` is not allowed.

    Raises:
        ValueError: the endpoint is not valid; the message says why.
    """
    scheme, separator, rest = endpoint.partition("://")
    if not separator:
        raise ValueError("it has no scheme")
    if scheme not in ("tcp", "ipc", "inproc"):
        raise ValueError("its scheme is not supported")
    _check_text(endpoint)
    if for_clients and "*" in rest:
        raise ValueError("clients cannot connect to a *")
    if scheme != "tcp":
        if not 0 < len(rest.encode()) <= MAX_SOCKET_PATH:
            raise ValueError(f"the path of a socket has 1 to {MAX_SOCKET_PATH} bytes")
        return Endpoint(scheme, path=rest)
    host, port = _split_host(rest)
    return Endpoint(scheme, check_host(host), 0 if port == "*" else _port_number(port))


def check_endpoint(endpoint: str, *, for_clients: bool = False) -> str:
    """Return the endpoint as libzmq expects it, if it is not `inproc://`.

    Raises:
        ValueError: the endpoint is not valid; the message says why.
    """
    if endpoint.startswith("inproc:"):
        raise ValueError("inproc:// cannot be reached from another process")
    return zmq_endpoint(endpoint, for_clients=for_clients)


def zmq_endpoint(endpoint: str, *, for_clients: bool = False) -> str:
    """Return the endpoint as libzmq expects it: unchanged, except for an encoded zone.

    Raises:
        ValueError: the endpoint is not valid; the message says why.
    """
    parsed = parse_endpoint(endpoint, for_clients=for_clients)
    return str(parsed) if "%25" in endpoint and parsed.scheme == "tcp" else endpoint


def parse_listen(listen: str) -> tuple[str, int]:
    """Parse `HOST:PORT` (an IPv6 address in brackets); port 0 is any free port.

    Returns:
        The host, without brackets, and the port.

    Raises:
        ValueError: the address is not valid; the message says why.
    """
    _check_text(listen)
    host, port = _split_host(listen)
    if host == "*":
        raise ValueError("its host is *; for all addresses use 0.0.0.0 or [::]")
    return check_host(host).strip("[]"), 0 if port == "0" else _port_number(port)


def listen_endpoint(listen: str) -> Endpoint:
    """Return `HOST:PORT` as an endpoint, to compare it with others."""
    host, port = parse_listen(listen)
    return Endpoint("tcp", f"[{host}]" if ":" in host else host, port)


def host_port(host: str, port: int) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def lower_host(host: str) -> str:
    """Return the host in lower case, except for its zone."""
    name, percent, zone = host.partition("%")
    return f"{name.lower()}{percent}{zone}"


def check_host(host: str) -> str:
    """Return the host if it is a name, an IPv4 address, an IPv6 address in brackets, or `*`."""
    if host == "*":
        return host
    if host.startswith("[") and host.endswith("]"):
        address, percent, zone = host[1:-1].partition("%")
        try:
            IPv6Address(address)
        except ValueError:
            raise ValueError("the text in [ ] is not an IPv6 address") from None
        if percent and not _ZONE.fullmatch(zone):
            raise ValueError("the zone of its IPv6 address is not the name of an interface")
        return host
    if ":" in host:
        raise ValueError("an IPv6 address must be in [ ]")
    if not host:
        raise ValueError("it has no host")
    if len(host) > MAX_HOST or not _HOST_NAME.fullmatch(host):
        raise ValueError("its host is not a name or an address")
    return host


def check_server_name(name: str) -> str:
    """Return the name if it is one that a certificate can have: a host name or an IP address.

    Raises:
        ValueError: it is something else; the message says what is expected.
    """
    try:
        ip_address(name)
    except ValueError:
        if name == "*" or len(name) > MAX_HOST or not _HOST_NAME.fullmatch(name):
            raise ValueError("it is not a name or an IP address without brackets") from None
    return name


def _check_text(text: str) -> None:
    if not text.isprintable() or " " in text:
        raise ValueError("it contains white space or control characters")


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("its percent-encoded text is not UTF-8") from None


def _split_host(authority: str, default_port: str | None = None) -> tuple[str, str]:
    """Split `host:port`; the port is not checked."""
    if authority.startswith("["):
        inside, bracket, after = authority.partition("]")
        inside = _ENCODED_PERCENT.sub("%", inside, count=1)
        if after and not after.startswith(":"):
            raise ValueError("after its [ ] it has no : and port")
        host, colon, port = inside + bracket, after[:1], after[1:]
    else:
        host, colon, port = authority.rpartition(":")
        host = host if colon else authority
    if colon:
        return host, port
    if default_port is None:
        raise ValueError("it has no port")
    return host, default_port


def _port_number(port: str) -> int:
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= MAX_PORT:
        raise ValueError("its port is not a number from 1 to 65535")
    return int(port)


def _socket_path(place: str) -> str:
    path = _decoded(place)
    if not path.startswith("/"):
        raise ValueError(
            "the path of a socket must be absolute: unix:///run/redis.sock has three slashes"
        )
    if "\0" in path or not 1 < len(path.encode()) <= MAX_SOCKET_PATH:
        raise ValueError(f"the path of a socket has 2 to {MAX_SOCKET_PATH} bytes, none of them 0")
    return path
