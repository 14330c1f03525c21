"""Answers ZeroMQ's question whether a key is let in: ZAP (https://rfc.zeromq.org/spec/27/).

Not pyzmq's Authenticator: it has no green flavour, and lets NULL in unless told otherwise. Without
a handler, or with one that is dead, sockets that enforce their domain let nobody in.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import zmq
from zmq.utils import z85

from zinfo.errors import EnvironmentNotReadyError
from zinfo.sockets.listen import ZAP_DOMAIN, GreenContext, GreenSocket

logger = logging.getLogger(__name__)

_ENDPOINT = "inproc://zeromq.zap.01"
_VERSION = b"1.0"
_FRAMES = 7  # version, request id, domain, address, routing id, mechanism, key
_KEY_BYTES = 32


class LockedOutError(Exception):
    """A known key is let in again later; raised by a rule."""


class ZapHandler:
    """Lets known CURVE keys in, and nobody else.

    Each listening socket has a domain, and each domain has its own rule. What has no rule lets
    nobody in.

    Args:
        context: green context of the sockets to guard; bound before they are.
        is_known: says whether a public key, in Z85, is let in to the query endpoint.
        counts: takes how many were let `in` and `refused`.

    Raises:
        EnvironmentNotReadyError: the context has a handler already.
    """

    def __init__(
        self, context: GreenContext, is_known: Callable[[str], bool], counts: Counter[str]
    ) -> None:
        self._rules = {ZAP_DOMAIN: is_known}
        self._counts = counts
        self._socket: GreenSocket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        try:
            self._socket.bind(_ENDPOINT)
        except zmq.ZMQError as error:
            self._socket.close()
            raise EnvironmentNotReadyError(f"ZAP: cannot bind {_ENDPOINT}: {error}") from error

    def guard(self, domain: bytes, is_known: Callable[[str], bool]) -> None:
        """Have a rule for the sockets of a domain.

        Args:
            domain: theirs; not empty, as ZeroMQ would ask nobody then.
            is_known: says whether a public key, in Z85, is let in.

        Raises:
            ValueError: the domain is empty, or has a rule.
        """
        if not domain or domain in self._rules:
            raise ValueError(f"expected a ZAP domain of its own, not {domain!r}")
        self._rules[domain] = is_known

    def unguard(self, domain: bytes) -> None:
        """Let nobody in to the sockets of a domain any more."""
        self._rules.pop(domain, None)

    def close(self) -> None:
        """Close the socket; nobody is let in any more."""
        self._socket.close(linger=0)

    def run(self) -> None:
        """Answer for ever; to be run in a greenlet."""
        while True:
            frames = self._socket.recv_multipart()
            try:
                reply = self._answer(frames)
            except Exception:  # whatever it was, that one is not let in, and the next is looked at
                logger.exception("a request for access failed in an unexpected way")
                reply = _reply(frames, b"500", b"failed")
            self._socket.send_multipart(reply)

    def _answer(self, frames: list[bytes]) -> list[bytes]:
        if len(frames) != _FRAMES or frames[0] != _VERSION:
            return self._refuse(frames, "not a request of ZAP 1.0 with CURVE")
        _version, _id, domain, address, _routing_id, mechanism, key = frames
        rule = self._rules.get(domain)
        if rule is None or mechanism != b"CURVE" or len(key) != _KEY_BYTES:
            return self._refuse(frames, f"not CURVE, from {address.decode('utf-8', 'replace')}")
        name = z85.encode(key).decode("ascii")
        try:
            known = rule(name)
        except LockedOutError as error:
            # Temporary: ZeroMQ ends the connection, and the client tries again later.
            return self._refuse(frames, str(error), b"300")
        if not known:
            whose = "unknown key" if domain == ZAP_DOMAIN else "no client of this bus endpoint:"
            return self._refuse(frames, f"{whose} {name} from {address.decode('utf-8', 'replace')}")
        self._counts["in"] += 1
        return _reply(frames, b"200", b"OK", name.encode("ascii"))

    def _refuse(self, frames: list[bytes], why: str, code: bytes = b"400") -> list[bytes]:
        self._counts["refused"] += 1
        logger.warning("refused: %.200s", why)
        return _reply(frames, code, b"no access")


def _reply(frames: list[bytes], code: bytes, text: bytes, user: bytes = b"") -> list[bytes]:
    request_id = frames[1] if len(frames) > 1 else b""
    return [_VERSION, request_id, code, text, user, b""]
