"""NameResolver: asks the name servers of this machine, without holding the event loop.

dnspython does what a stub resolver does: it follows resolv.conf with its search list, tries the
next name server after a failure, and asks again over TCP if a reply is cut. But it reads the
records of a reply at once, which takes 0.3 s for the 4,000 records that fit into one. So dnspython
only sees the head of each reply here, and `dns_records` reads the records in pieces.
"""

from __future__ import annotations

import io
import os
from collections.abc import Set
from typing import Any, NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.resolver
import gevent
from gevent import socket

from zinfo.discovery.sources.dns_records import (
    BadReplyError,
    Record,
    question_count,
    read_records,
)
from zinfo.errors import SourceError
from zinfo.loop.yielding import CooperativeYield, fair_queue_of_hub

RESOLV_CONF = "/etc/resolv.conf"
"""The file with the addresses of the name servers."""

LIFETIME = 8.0
"""Seconds for one question, with all repetitions to all name servers."""

MAX_RESOLV_CONF = 64 * 1024
"""Maximum number of bytes that are read of resolv.conf."""

_QUEUE = "names"  # all lookups share 2 ms of an iteration of the event loop
_MAX_STRAY = 50  # datagrams that do not belong to the question, until the name server is given up
_MAX_REPLY = 65535
_LOCAL_SERVER = "127.0.0.1"  # if none is named, as resolv.conf(5) says


class LookupFailedError(Exception):
    """The name servers gave no usable reply; the text says why in a few words."""


class LookupResult(NamedTuple):
    """What the name servers know of a name.

    Attributes:
        name: the full name that they know, without the dot at its end; with a search list this is
            not the name that was looked up.
        records: its records of the type asked for.
        exists: whether they know the name.
    """

    name: str
    records: Set[Record]
    exists: bool = True


class NameResolver:
    """Looks names up as resolv.conf says.

    Args:
        path: path of resolv.conf.
        port: UDP and TCP port of the name servers.
    """

    def __init__(self, path: str = RESOLV_CONF, port: int = 53) -> None:
        self._path = path
        self._port = port
        self._configuration: bytes | None = None  # what `_resolver` was made of
        self._resolver: Any = None

    def refresh(self) -> None:
        """Read resolv.conf again if it has changed.

        Raises:
            SourceError: it cannot be used.
        """
        configuration = gevent.get_hub().threadpool.apply(_read, (self._path,))
        if configuration == self._configuration:
            return
        try:
            self._resolver = _resolver(configuration, self._port)
        except (dns.exception.DNSException, ValueError) as error:
            raise SourceError(f"{self._path} cannot be used: {_words(error)}") from None
        self._configuration = configuration

    def look_up(self, name: str, kind: int) -> LookupResult:
        """Return the records of a name.

        Args:
            name: the name; the search list applies unless it ends with a dot.
            kind: type of the records, of `dns_records`.

        Raises:
            LookupFailedError: there is no usable reply.
        """
        try:
            fair_queue_of_hub(_QUEUE).acquire_slice()
            answer = self._resolver.resolve(
                name,
                dns.rdatatype.RdataType(kind),
                search=True,
                raise_on_no_answer=False,
                lifetime=LIFETIME,
            )
            pause = CooperativeYield(background=True).maybe_yield
            records = read_records(answer.response.wire, kind, pause)
        except dns.resolver.NXDOMAIN:
            return LookupResult(name.rstrip("."), set(), exists=False)
        except dns.resolver.LifetimeTimeout as error:
            raise LookupFailedError(_last_failure(error) or "no reply in time") from None
        except dns.resolver.NoNameservers as error:
            raise LookupFailedError(_last_failure(error) or "no name server replies") from None
        except (dns.exception.DNSException, BadReplyError, OSError) as error:
            raise LookupFailedError(_words(error)) from None
        return LookupResult(answer.qname.to_text(omit_final_dot=True).lower(), records)


class _NameServer(dns.nameserver.AddressAndPortNameserver):
    """A name server that is asked with gevent's sockets; its replies have no records."""

    def kind(self) -> str:
        return "Do53"

    def __str__(self) -> str:
        return f"name server {self.address}"

    def query(
        self,
        request: dns.message.QueryMessage,
        timeout: float,
        source: str | None,  # noqa: ARG002 - these four are of dnspython's interface
        source_port: int,  # noqa: ARG002
        max_size: bool,
        one_rr_per_rrset: bool = False,  # noqa: ARG002
        ignore_trailing: bool = False,  # noqa: ARG002
    ) -> dns.message.Message:
        """Send a question and return the head of the reply, with all bytes as `wire`."""
        family, _, _, _, address = socket.getaddrinfo(
            self.address, self.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
        ask = _ask_over_tcp if max_size else _ask_over_udp
        with (
            gevent.Timeout(timeout, dns.exception.Timeout(timeout=timeout)),
            socket.socket(family, socket.SOCK_STREAM if max_size else socket.SOCK_DGRAM) as sock,
        ):
            sock.settimeout(timeout)
            sock.connect(address)
            return ask(sock, request)


def _ask_over_udp(sock: Any, request: dns.message.QueryMessage) -> dns.message.Message:
    sock.send(request.to_wire())
    for _ in range(_MAX_STRAY):
        try:
            data = sock.recv(_MAX_REPLY)
            fair_queue_of_hub(_QUEUE).acquire_slice()
            reply = _head(data, request)
        except (dns.exception.DNSException, BadReplyError):
            continue  # not of this question: perhaps forged, so the real one may follow
        if reply.flags & dns.flags.TC:
            raise dns.message.Truncated(message=reply)
        return reply
    raise dns.exception.FormError("too many datagrams that are no reply")


def _ask_over_tcp(sock: Any, request: dns.message.QueryMessage) -> dns.message.Message:
    question = request.to_wire()
    sock.sendall(len(question).to_bytes(2, "big") + question)
    data = _receive(sock, int.from_bytes(_receive(sock, 2), "big"))
    fair_queue_of_hub(_QUEUE).acquire_slice()
    try:
        return _head(data, request)
    except BadReplyError as error:
        raise dns.exception.FormError(str(error)) from None


def _receive(sock: Any, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise EOFError("the name server closed the connection")
        data += piece
    return bytes(data)


def _head(wire: bytes, request: dns.message.QueryMessage) -> dns.message.Message:
    """Return a reply without its records.

    Raises:
        DNSException: it cannot be read, or is the reply to something else.
        BadReplyError: it does not have the question of the request alone.
    """
    if question_count(wire) != 1:  # checked first, as dnspython would read thousands
        raise BadReplyError("it repeats another number of questions")
    reply = dns.message.from_wire(wire, question_only=True)
    if not request.is_response(reply):
        raise BadReplyError("it is the reply to another question")
    setattr(reply, "wire", wire)  # noqa: B010 - older versions of dnspython do not have it
    return reply


def _resolver(configuration: bytes, port: int) -> Any:
    resolver = dns.resolver.Resolver(configure=False)
    text = configuration.decode("utf-8", "replace")
    try:
        resolver.read_resolv_conf(io.StringIO(text))
        addresses = [str(address) for address in resolver.nameservers]
    except dns.resolver.NoResolverConfiguration:
        addresses = [_LOCAL_SERVER]
    resolver.nameservers = [_NameServer(address, port) for address in addresses]
    return resolver


def _read(path: str) -> bytes:
    """Return the bytes of a file; none if it cannot be read. Runs in a thread."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a path could make open() wait
            return file.read(MAX_RESOLV_CONF) or b""
    except OSError:
        return b""


def _last_failure(error: Any) -> str:
    """Return what the last name server replied, or why it did not."""
    failures = error.kwargs.get("errors") or ()
    if not failures:
        return ""
    server, _tcp, _port, cause, _reply = failures[-1]
    what = cause if isinstance(cause, str) else _words(cause)
    return f"{what} from {server}" if isinstance(cause, str) else f"{server}: {what}"


def _words(error: BaseException) -> str:
    if isinstance(error, (dns.exception.Timeout, TimeoutError)):
        return "no reply in time"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:100] or type(error).__name__
