"""A ZAP handler (https://rfc.zeromq.org/spec/27/), which admits clients by their CURVE keys.

pyzmq's Authenticator has no gevent version, and admits the NULL mechanism by default. Without a
running handler, sockets with ZMQ_ZAP_ENFORCE_DOMAIN admit no client.
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


class TemporarilyBannedError(Exception):
    """A known key is refused for now; raised by a rule."""


class ZapHandler:
    """Admits known CURVE keys and no other clients.

    Each listening socket has a ZAP domain, and each domain has a rule. Without one, it admits no
    client.

    Args:
        context: green context of the listening sockets, which must be bound after the handler.
        is_known: returns whether the query endpoint admits a public key, given in Z85.
        counts: counts connections that were admitted (`in`) and `refused`.

    Raises:
        EnvironmentNotReadyError: the context already has a handler.
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

    def add_rule(self, domain: bytes, is_known: Callable[[str], bool]) -> None:
        """Set the rule for the sockets of a domain.

        Args:
            domain: not empty, as libzmq does not call a handler for an empty domain.
            is_known: returns whether a public key, given in Z85, is admitted.

        Raises:
            ValueError: the domain is empty, or already has a rule.
        """
        if not domain or domain in self._rules:
            raise ValueError(f"expected a new, non-empty ZAP domain, not {domain!r}")
        self._rules[domain] = is_known

    def remove_rule(self, domain: bytes) -> None:
        """Admit no client to the sockets of a domain any more."""
        self._rules.pop(domain, None)

    def close(self) -> None:
        """Close the handler; no client is admitted any more."""
        self._socket.close(linger=0)

    def run(self) -> None:
        """Handle requests; runs in a greenlet of its own."""
        while True:
            frames = self._socket.recv_multipart()
            try:
                reply = self._handle(frames)
            except Exception:  # this client is refused; the handler goes on
                logger.exception("ZAP: unexpected error; the client is refused")
                reply = _reply(frames, b"500", b"failed")
            self._socket.send_multipart(reply)

    def _handle(self, frames: list[bytes]) -> list[bytes]:
        if len(frames) != _FRAMES or frames[0] != _VERSION:
            return self._refuse(frames, "not a ZAP 1.0 request with CURVE")
        _version, _id, domain, address, _routing_id, mechanism, key = frames
        rule = self._rules.get(domain)
        if rule is None or mechanism != b"CURVE" or len(key) != _KEY_BYTES:
            return self._refuse(frames, f"not CURVE, from {address.decode('utf-8', 'replace')}")
        name = z85.encode(key).decode("ascii")
        try:
            known = rule(name)
        except TemporarilyBannedError as error:
            # "Temporary error": libzmq closes the connection, and the client reconnects later.
            return self._refuse(frames, str(error), b"300")
        if not known:
            reason = "unknown key" if domain == ZAP_DOMAIN else "no client of this bus endpoint:"
            return self._refuse(
                frames, f"{reason} {name} from {address.decode('utf-8', 'replace')}"
            )
        self._counts["in"] += 1
        return _reply(frames, b"200", b"OK", name.encode("ascii"))

    def _refuse(self, frames: list[bytes], reason: str, code: bytes = b"400") -> list[bytes]:
        self._counts["refused"] += 1
        logger.warning("refused: %.200s", reason)
        return _reply(frames, code, b"no access")


def _reply(frames: list[bytes], code: bytes, text: bytes, user: bytes = b"") -> list[bytes]:
    request_id = frames[1] if len(frames) > 1 else b""
    return [_VERSION, request_id, code, text, user, b""]
