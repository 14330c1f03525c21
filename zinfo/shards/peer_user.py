"""Which users' processes are at the other end of a connection within this machine.

Of a Unix socket the kernel says it (SO_PEERCRED). Of TCP Linux lists each socket with its user in
/proc/net/tcp (https://docs.kernel.org/networking/proc_net_tcp.html).
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

ANYBODY = "*"
"""Stands for every user in a list of users."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENS, _WAITS = b"0A", b"06"  # states of a socket: LISTEN; TIME_WAIT, which is nobody's
_LOOKS = 3  # a row may be missed while other sockets come and go
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_MAPPED = bytes(10) + b"\xff\xff"  # begins an IPv4 address that stands for one of IPv6


def uids_of(users: Iterable[str]) -> tuple[frozenset[int] | None, tuple[str, ...]]:
    """Return the ids of root, of this process's own user and of some more.

    Args:
        users: names or numbers; `*` for all.

    Returns:
        The ids, None for those of all; and the names that no user has.
    """
    uids, unknown = {0, os.geteuid()}, []
    for user in users:
        if user == ANYBODY:
            return None, ()
        try:
            uids.add(int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid)
        except KeyError:
            unknown.append(user)
    return frozenset(uids), tuple(unknown)


def can_be_told() -> bool:
    """Return whether this system tells whose the other end of a TCP connection is."""
    return _TABLES[0].exists()


def peer_uids(sock: Any) -> frozenset[int]:
    """Return the ids of the users who may have the other end of a connection.

    It reads tables with a row for each socket of the machine: some milliseconds, in which the
    thread waits.

    Args:
        sock: connected; TCP, TLS or Unix.

    Returns:
        Mostly one; none where it cannot be told, as where the other end is on another machine.
    """
    if sock.family == socket.AF_UNIX:
        option = getattr(socket, "SO_PEERCRED", None)
        if option is None:
            return frozenset()
        found = sock.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
        return frozenset({_CREDENTIALS.unpack(found)[1]})
    return _owners(sock.getsockname()[:2], sock.getpeername()[:2])


def _owners(mine: tuple[str, int], theirs: tuple[str, int]) -> frozenset[int]:
    for _ in range(_LOOKS):
        if found := _look(mine, theirs):
            return found
    return frozenset()


def _look(mine: tuple[str, int], theirs: tuple[str, int]) -> frozenset[int]:
    rows = list(_rows(theirs[1]))
    ours, others = _forms(*mine), _forms(*theirs)
    for local, remote, state, uid, inode in rows:
        if local in others and remote in ours and state not in (_LISTENS, _WAITS):
            if inode:
                return frozenset({uid})
            # Nobody has accepted it yet: it is in the queue of who listens.
            listening = _listening_forms(*theirs)
            return frozenset(
                uid for local, _, state, uid, _ in rows if state == _LISTENS and local in listening
            )
    return frozenset()


def _rows(port: int) -> Iterator[tuple[bytes, bytes, bytes, int, int]]:
    """Yield local and remote address, state, user and inode of the sockets at a local port."""
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
    """Return how the tables write an address: one of IPv4 may stand in that of IPv6, too."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    packed = [address.packed]
    if address.version == 4:
        packed.append(_MAPPED + address.packed)
    return frozenset(f"{_written(one)}:{port:04X}".encode("ascii") for one in packed)


def _listening_forms(host: str, port: int) -> frozenset[bytes]:
    """Return the same for those who listen: at that address, or at all."""
    return _forms(host, port) | _forms("0.0.0.0", port) | _forms("::", port)


def _written(packed: bytes) -> str:
    """Return an address in hexadecimal, four bytes at a time in the machine's own order."""
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))
