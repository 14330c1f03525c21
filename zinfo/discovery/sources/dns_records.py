"""Reads the records in replies of name servers. Pure.

The format is that of RFC 1035, section 4, with AAAA (RFC 3596) and SRV (RFC 2782). A reply over TCP
may have thousands of records, which would hold the event loop too long if they were read at once:
a caller gives a function that is called after each record. All bytes may be hostile.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Callable
from typing import NamedTuple

A, CNAME, AAAA, SRV = 1, 5, 28, 33
"""Types of records: https://www.iana.org/assignments/dns-parameters/"""

MAX_CHAIN = 16
"""Maximum number of CNAME records that are followed."""

_IN = 1  # the class of the Internet
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_SRV = struct.Struct("!HHH")
_ADDRESS_SIZES = {A: (socket.AF_INET, 4), AAAA: (socket.AF_INET6, 16)}
_MAX_NAME = 255  # bytes of a name, RFC 1035, 2.3.4
_LABEL = re.compile(rb"[A-Za-z0-9_-]+")


class BadReplyError(ValueError):
    """The bytes are not a reply that can be read."""


class Record(NamedTuple):
    """An address, or the target of an SRV record.

    Attributes:
        host: IP address or name, without the dot at its end; "" if no server can have it.
        port: TCP port of an SRV record; otherwise 0.
    """

    host: str
    port: int = 0


def question_count(wire: bytes) -> int:
    """Return the number of questions that a message says it has.

    Raises:
        BadReplyError: it is too short.
    """
    return _header(wire)[2]


def read_records(wire: bytes, kind: int, pause: Callable[[], None]) -> set[Record]:
    """Return the records of one type that a reply has for the name in its question.

    Args:
        wire: the reply, with one question.
        kind: `A`, `AAAA` or `SRV`.
        pause: called after each record of the reply.

    Raises:
        BadReplyError: the bytes are not such a reply.
    """
    answers = _header(wire)[3]
    try:
        name, at = _name(wire, _HEADER.size)
        at += 4
        aliases: dict[bytes, bytes] = {}
        found: dict[bytes, set[Record]] = {}
        for _ in range(answers):
            owner, at = _name(wire, at)
            record_kind, record_class, _ttl, size = _RECORD.unpack_from(wire, at)
            at += _RECORD.size
            if at + size > len(wire):
                raise BadReplyError("a record has no end")
            if record_class == _IN and record_kind == CNAME:
                aliases.setdefault(owner, _name(wire, at)[0])
            elif record_class == _IN and record_kind == kind:
                found.setdefault(owner, set()).add(_record(wire, at, kind, size))
            at += size
            pause()
    except (struct.error, IndexError):
        raise BadReplyError("it is too short") from None
    for _ in range(MAX_CHAIN):
        if name not in aliases:
            break
        name = aliases[name]
    return found.get(name, set())


def _header(wire: bytes) -> tuple[int, ...]:
    if len(wire) < _HEADER.size:
        raise BadReplyError("it is too short")
    return _HEADER.unpack_from(wire)


def _record(wire: bytes, at: int, kind: int, size: int) -> Record:
    if kind == SRV:
        _priority, _weight, port = _SRV.unpack_from(wire, at)
        return Record(_text(_name(wire, at + _SRV.size)[0]), port)
    family, expected = _ADDRESS_SIZES[kind]
    if size != expected:
        raise BadReplyError("an address has another size")
    packed = wire[at : at + size]
    return Record(socket.inet_ntop(family, packed) if _is_usable(packed) else "")


def _is_usable(packed: bytes) -> bool:
    """Return whether a server can have an address, and one can connect to it by this alone."""
    if len(packed) == 4:
        first = packed[0]
        return first != 0 and not 224 <= first < 240 and packed != b"\xff\xff\xff\xff"
    # Neither ::, nor multicast, nor link-local, which would need the name of an interface.
    is_link_local = packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
    return any(packed) and packed[0] != 0xFF and not is_link_local


def _name(wire: bytes, at: int) -> tuple[bytes, int]:
    """Return the name at an offset, in lower case and as in a message, and where it ends."""
    labels: list[bytes] = []
    end, size, limit = -1, 0, at
    while length := wire[at]:
        if length >= 0xC0:  # a pointer; each leads further to the front, so there is no loop
            target = (length & 0x3F) << 8 | wire[at + 1]
            if target >= limit:
                raise BadReplyError("a name refers to what follows it")
            end = at + 2 if end < 0 else end
            at = limit = target
            continue
        if length > 63:
            raise BadReplyError("a label of an unknown kind")
        label = wire[at : at + 1 + length]
        size += len(label)
        if len(label) <= length or size >= _MAX_NAME:
            raise BadReplyError("a name is too long")
        labels.append(label)
        at += 1 + length
    return b"".join(labels).lower(), at + 1 if end < 0 else end


def _text(name: bytes) -> str:
    """Return a name as text; "" for the root, or if a label cannot be of a host."""
    labels: list[str] = []
    at = 0
    while at < len(name):
        label = name[at + 1 : at + 1 + name[at]]
        if not _LABEL.fullmatch(label):
            return ""
        labels.append(label.decode("ascii"))
        at += 1 + name[at]
    return ".".join(labels)
