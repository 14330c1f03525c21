"""Derives the address of a server from the facts about its process. Pure, no I/O.

A running server has overwritten its arguments with a title such as
`redis-server 127.0.0.1:7000 [cluster]`. The title names the client port, but it may be truncated or
follow the user's template, and its address is only the first of several. The listening sockets are
certain, but do not show which of them is for clients. So the title (or the arguments, if the server
has not overwritten them) only chooses among the sockets.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from zinfo.wire.addresses import host_port

SERVER_NAMES = frozenset({"redis-server", "valkey-server", "keydb-server"})

CLUSTER_BUS_OFFSET = 10_000
"""Default difference between a server's cluster bus port and its client port."""

_ENDPOINT = re.compile(r"\s(\S+):(\d{1,5})(?=\s|$)")
_SOCKET = re.compile(r"(?:\sunixsocket:|--unixsocket\s+)(\S.*?)(?=\s+(?:--|\[)|$)")
_SENTINEL = re.compile(r"\[sentinel\]|--sentinel\b")
_PLAIN_PORT = re.compile(r"--port\s+(\d+)")
_TLS_PORT = re.compile(r"\btls-port[\s:=]+(\d+)")
_BUS_PORT = re.compile(r"--cluster-port\s+(\d+)")
_TLS_WORD = re.compile(r"[\s\[(]tls(?=[\s\])]|$)", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
"""Python's escapes of bytes in a path that are not UTF-8; URLs and ids cannot contain them."""
_BACKGROUND = re.compile(r"(redis|valkey|keydb)-(rdb|aof|module)-")
"""Titles of child processes that save, rewrite or run for a module: `redis-rdb-bgsave`, ..."""


class Listener(NamedTuple):
    """A TCP socket that accepts connections."""

    ip: str
    port: int


class Address(NamedTuple):
    """The address of a server for clients: the shard's id and the URL to connect to."""

    ident: str
    url: str


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What the operating system reports about a process with the name of a server.

    Attributes:
        pid: process id.
        create_time: start time, seconds since the epoch; identifies the process, with the PID.
        name: the program, one of SERVER_NAMES.
        parent: PID of its parent.
        command: its arguments, or the title that replaced them.
        listeners: its TCP sockets that accept connections.
        sockets: absolute paths of its Unix sockets.
        uids: ids of its users: real, effective and saved.
    """

    pid: int
    create_time: float
    name: str
    parent: int = 0
    command: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    sockets: tuple[str, ...] = ()
    uids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server on this machine.

    Attributes:
        pid: id of its process.
        create_time: start time of the process, seconds since the epoch.
        name: the program, one of SERVER_NAMES.
        parent: PID of its parent.
        address: address for clients; None while it does not listen.
        certain: whether title or arguments name the socket for clients.
        uids: ids of the process's users: real, effective and saved.
    """

    pid: int
    create_time: float
    name: str
    parent: int
    address: Address | None
    certain: bool
    uids: frozenset[int] = frozenset()


class _Hints(NamedTuple):
    """What the title and arguments contain; `hosts` are all words like host:port, by port."""

    hosts: dict[int, str]
    plain_ports: frozenset[int]
    tls_ports: frozenset[int]
    bus_ports: frozenset[int]
    tcp_disabled: bool
    socket: str


def locate(facts: ProcessFacts) -> LocalServer | None:
    """Return the server that runs in a process.

    Returns:
        The server, whose address may still be unknown; None if the process is not a shard but a
        Sentinel, or a child that saves for its parent.
    """
    text = " ".join(facts.command).strip()
    program = PurePosixPath(facts.command[0]).name if facts.command else ""
    if _BACKGROUND.match(program) or _SENTINEL.search(text):
        return None
    hints = _read_hints(text)
    address, certain = _tcp_address(facts.listeners, hints)
    if address is None:
        address, certain = _socket_address(facts.sockets, hints)
    return LocalServer(
        facts.pid, facts.create_time, facts.name, facts.parent, address, certain, facts.uids
    )


def by_address(servers: Iterable[LocalServer]) -> dict[str, LocalServer]:
    """Return one server for each address: of a parent and its child the parent, else the newer.

    A child that was just forked still has its parent's sockets and title. A restarted server may
    appear beside the old process while that exits.
    """
    chosen: dict[str, LocalServer] = {}
    for server in servers:
        if server.address is None:
            continue
        rival = chosen.setdefault(server.address.ident, server)
        if rival is not server and _is_preferred(server, rival):
            chosen[server.address.ident] = server
    return chosen


def _is_preferred(server: LocalServer, rival: LocalServer) -> bool:
    if server.parent == rival.pid:
        return False
    return rival.parent == server.pid or server.create_time > rival.create_time


def _read_hints(text: str) -> _Hints:
    hosts = {int(port): host for host, port in _ENDPOINT.findall(text)}
    plain = {int(number) for number in _PLAIN_PORT.findall(text)}
    tls = {int(number) for number in _TLS_PORT.findall(text)}
    if _TLS_WORD.search(text) and not plain:
        tls.update(hosts)
    path = _SOCKET.search(text)
    return _Hints(
        hosts=hosts,
        plain_ports=frozenset(plain - {0}),
        tls_ports=frozenset(tls - {0}),
        bus_ports=frozenset(int(number) for number in _BUS_PORT.findall(text)),
        tcp_disabled=" unixsocket:" in text,
        socket=path[1] if path else "",
    )


def _tcp_address(listeners: Iterable[Listener], hints: _Hints) -> tuple[Address | None, bool]:
    ports = {listener.port for listener in listeners}
    if hints.tcp_disabled:  # only the cluster bus still listens
        return None, False
    port, certain = _client_port(ports, hints)
    if port is None:
        return None, False
    host = _reachable_host(
        [item.ip for item in listeners if item.port == port], hints.hosts.get(port)
    )
    ident = host_port(host, port)
    scheme = "rediss" if port in hints.tls_ports else "redis"
    return Address(ident, f"{scheme}://{ident}"), certain


def _client_port(ports: set[int], hints: _Hints) -> tuple[int | None, bool]:
    """Choose the port for clients, a plain one before one with TLS; say if it is certain."""
    named = (hints.plain_ports | set(hints.hosts)) & ports
    plain = named - hints.tls_ports
    if plain:
        return min(plain), True
    bus = hints.bus_ports | {port + CLUSTER_BUS_OFFSET for port in ports}
    tls = hints.tls_ports & ports
    rest = ports - bus - tls
    if tls and (named or not rest):
        return min(tls), bool(named)
    return (min(rest), False) if rest else (None, False)


def _reachable_host(ips: Iterable[str], titled: str | None) -> str:
    """Choose the best of a port's addresses for a client on this machine.

    Loopback comes first, as it needs no network and is allowed in protected mode. A wildcard
    address is reached through loopback.
    """

    def rank(ip: str) -> tuple[int, str]:
        address = ipaddress.ip_address(ip)
        if address.is_loopback:
            return (0 if address.version == 4 else 1), ip
        if address.is_link_local:
            return 4, ip  # needs the name of an interface
        return (2 if ip == titled else 3), ip

    loopbacks = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return min((loopbacks.get(ip, ip) for ip in map(_unmapped, ips)), key=rank)


def _unmapped(ip: str) -> str:
    """Return the IPv4 address in an IPv6 address of the form ::ffff:1.2.3.4."""
    mapped = getattr(ipaddress.ip_address(ip.partition("%")[0]), "ipv4_mapped", None)
    return str(mapped) if mapped else ip.partition("%")[0]


def _socket_address(paths: Iterable[str], hints: _Hints) -> tuple[Address | None, bool]:
    found = set(paths)
    named = hints.socket
    # psutil does not return paths that contain a space, but a title does. An argument only names a
    # socket that is to be opened, perhaps besides TCP.
    certain = named in found or (hints.tcp_disabled and named.startswith("/") and not found)
    path = named if certain else min(found, default=None)
    if not path or _SURROGATE.search(path):
        return None, False
    return Address(path, f"unix://{quote(path)}"), certain
