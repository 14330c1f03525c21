"""Finds the user whose process is at the other end of a connection on this machine.

For a Unix socket the kernel reports the user (SO_PEERCRED). For TCP, Linux lists each socket with
its user in /proc/net/tcp (https://docs.kernel.org/networking/proc_net_tcp.html).
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ANY_USER = "*"
"""In a list of users: any user."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN, _TIME_WAIT = b"0A", b"06"  # states of a socket; in TIME_WAIT it has no process
_ATTEMPTS = 3  # a row may be missed while other sockets are opened or closed
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_MAPPED = bytes(10) + b"\xff\xff"  # prefix of an IPv4-mapped IPv6 address


def resolve_uids(users: Iterable[str]) -> tuple[frozenset[int] | None, tuple[str, ...]]:
    """Return the ids of root, of this process's user and of the given users.

    Args:
        users: names or numbers; `*` for any user.

    Returns:
        The ids, or None for any user; and the names that do not exist.
    """
    uids, unknown = {0, os.geteuid()}, []
    for user in users:
        if user == ANY_USER:
            return None, ()
        try:
            uids.add(int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid)
        except KeyError:
            unknown.append(user)
    return frozenset(uids), tuple(unknown)


def peer_uids_available() -> bool:
    """Return whether this system reports the user at the other end of a TCP connection."""
    return _TABLES[0].exists()


def peer_uids(sock: Any) -> frozenset[int]:
    """Return the ids of the users whose process may be the other end of a connection.

    This reads tables with a row for each socket of the machine, which blocks the thread for some
    milliseconds.

    Args:
        sock: connected; TCP, TLS or Unix.

    Returns:
        Mostly one id; none if it cannot be found, for example if the other end is on another
        machine.
    """
    if sock.family == socket.AF_UNIX:
        option = getattr(socket, "SO_PEERCRED", None)
        if option is None:
            return frozenset()
        found = sock.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
        return frozenset({_CREDENTIALS.unpack(found)[1]})
    return _owners(sock.getsockname()[:2], sock.getpeername()[:2])


def _owners(mine: tuple[str, int], theirs: tuple[str, int]) -> frozenset[int]:
    for _ in range(_ATTEMPTS):
        if found := _search(mine, theirs):
            return found
    return frozenset()


def _search(mine: tuple[str, int], theirs: tuple[str, int]) -> frozenset[int]:
    rows = list(_rows(theirs[1]))
    ours, others = _forms(*mine), _forms(*theirs)
    for local, remote, state, uid, inode in rows:
        if local in others and remote in ours and state not in (_LISTEN, _TIME_WAIT):
            if inode:
                return frozenset({uid})
            # No process has accepted it yet: it belongs to the listening socket.
            listening = _listening_forms(*theirs)
            return frozenset(
                uid for local, _, state, uid, _ in rows if state == _LISTEN and local in listening
            )
    return frozenset()


def _rows(port: int) -> Iterator[tuple[bytes, bytes, bytes, int, int]]:
    """Yield local address, remote address, state, user and inode of sockets on a local port."""
    ending = b":%04X" % port
    for table in _TABLES:
        try:
            lines = table.read_bytes().splitlines()
        except OSError:  # a kernel without IPv6
            continue
        for line in lines:
            if ending in line:
                words = line.split()
                if words[1].endswith(ending):
                    yield words[1], words[2], words[3], int(words[7]), int(words[9])


def _forms(host: str, port: int) -> frozenset[bytes]:
    """Return an address as the tables have it; an IPv4 address may also be in the IPv6 table."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    packed = [address.packed]
    if address.version == 4:
        packed.append(_MAPPED + address.packed)
    return frozenset(f"{_hexadecimal(one)}:{port:04X}".encode("ascii") for one in packed)


def _listening_forms(host: str, port: int) -> frozenset[bytes]:
    """Return the addresses of sockets that listen at an address or at all addresses."""
    return _forms(host, port) | _forms("0.0.0.0", port) | _forms("::", port)


def _hexadecimal(packed: bytes) -> str:
    """Return an address in hexadecimal, each four bytes in the machine's byte order."""
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))
