"""QueryRouter: owns the ROUTER socket. Frames in, operation, frames out.

A bad message gets an error reply or is counted and dropped; it never ends the loop.
"""

from __future__ import annotations

import logging
import time
from collections import Counter

import gevent
import gevent.pool
import zmq

from zinfo.errors import (
    BadRequestError,
    BusyError,
    InternalError,
    NotAllowedError,
    ProtocolError,
    RequestError,
)
from zinfo.health.stats import Stats
from zinfo.loop.yielding import CooperativeYield
from zinfo.native.loader import native
from zinfo.query.operations import Operations, QueryLimits
from zinfo.security.authorized_keys import AuthorizedKeys
from zinfo.security.rights import Rights
from zinfo.sockets.direct import MAX_FRAMES, DirectSocket
from zinfo.sockets.listen import GreenContext, bound_endpoint, listen, peer_public_key
from zinfo.wire.identity import Identity
from zinfo.wire.query_messages import (
    MAX_CONTAINERS,
    Request,
    decode_request,
    encode_error,
    encode_reply,
    split_envelope,
)

logger = logging.getLogger(__name__)

# Replies held for a client that does not read; more are dropped and counted. Each may be large.
_HWM = 100
_MAX_RUNNING = 1000  # requests under way; more get `busy`
# Bytes of an envelope, which each reply repeats. A routing id has up to 255, and there are few.
_MAX_ENVELOPE = 4096
_SHARE = 50  # of those for one peer: it cannot take the places of all others


class QueryRouter:
    """Answers requests on a ROUTER socket.

    One greenlet reads, and answers what takes no time; what may wait for polls, or is long, runs in
    a greenlet of its own, so that it keeps no other waiting.

    Args:
        context: green context to make the socket in.
        endpoint: where to bind.
        operations: runs the requests.
        stats: takes the counters.
        identity: of the daemon.
        limits: bounds of requests.
        access: the clients that are let in; None serves all.

    Raises:
        EnvironmentNotReadyError: the endpoint cannot be bound.
    """

    def __init__(
        self,
        context: GreenContext,
        endpoint: str,
        operations: Operations,
        *,
        stats: Stats,
        identity: Identity,
        limits: QueryLimits,
        access: AuthorizedKeys | None = None,
    ) -> None:
        secret_key = access.server_keys.secret if access else None
        sock = listen(context, zmq.ROUTER, endpoint, "query endpoint", _HWM, secret_key)
        self._socket = DirectSocket(sock)
        self._access = access
        self.endpoint = bound_endpoint(sock)  #: where it listens, with the port it got
        self._operations = operations
        self._stats = stats.query
        self._identity = identity
        self._limits = limits
        self._running = gevent.pool.Group()
        self._shares: Counter[object] = Counter()  # requests under way, by peer

    def close(self) -> None:
        """Close the socket; requests under way get no reply."""
        self._running.kill()
        self._socket.close()

    def client_endpoint(self) -> str:
        """Return the endpoint that clients are told."""
        return self.endpoint

    def run(self) -> None:
        """Take requests for ever; to be run in a greenlet."""
        yielder = CooperativeYield()
        while True:
            frames, key = self._receive()
            try:
                self._take(frames, key)
            except Exception:  # one message must never end the loop
                self._stats.dropped["unexpected"] += 1
                logger.exception("a request failed in an unexpected way")
            yielder.maybe_yield()  # while requests wait already, reading them never yields

    def _receive(self) -> tuple[list[bytes], str | None]:
        """Return the next message, and the key of the client that it came from."""
        if self._access is None:
            return self._socket.receive(), None
        frames = self._socket.receive(copy=False)  # copies do not tell whose they are
        return [frame.bytes for frame in frames], peer_public_key(frames[-1])

    def _take(self, frames: list[bytes], key: str | None) -> None:
        try:
            envelope, rest = split_envelope(frames)
        except ProtocolError:
            self._stats.dropped["no envelope"] += 1
            return
        if sum(map(len, envelope)) > _MAX_ENVELOPE:
            self._stats.dropped["envelope too long"] += 1
            return
        try:
            if len(frames) > MAX_FRAMES:
                raise BadRequestError(f"a message may have {MAX_FRAMES} frames, this has more")
            _require_few_containers(rest, self._limits.max_request_bytes)
            request = decode_request(rest, self._limits.max_request_bytes)
            rights = self._rights(key, request)
        except RequestError as error:
            self._refuse(envelope, error.request_id, error)
            return
        if self._operations.is_quick(request):
            self._serve(envelope, request, rights, quick=True)
        else:
            self._serve_later(envelope, request, rights, key or frames[0])

    def _rights(self, key: str | None, request: Request) -> Rights | None:
        """Return what the client may, None for everything; looked up anew for each request."""
        if self._access is None:
            return None
        rights = self._access.rights_of(key)
        if rights is None or not rights.can_call(request.op):
            error = NotAllowedError(f"this key may not call {request.op[:80]}")
            error.request_id = request.id
            raise error
        return rights

    def _serve_later(
        self, envelope: list[bytes], request: Request, rights: Rights | None, peer: object
    ) -> None:
        if self._shares[peer] >= _SHARE or len(self._running) >= _MAX_RUNNING:
            whose = "of yours " if self._shares[peer] >= _SHARE else ""
            error = BusyError(f"too many requests {whose}under way")
            self._refuse(envelope, request.id, error, request.op)
            return
        self._shares[peer] += 1
        greenlet = self._running.spawn(self._serve, envelope, request, rights)
        greenlet.rawlink(lambda _greenlet: self._ended(peer))

    def _ended(self, peer: object) -> None:
        self._shares[peer] -= 1
        if not self._shares[peer]:
            del self._shares[peer]

    def _serve(
        self, envelope: list[bytes], request: Request, rights: Rights | None, *, quick: bool = False
    ) -> None:
        begun = time.monotonic()
        try:
            answer = self._operations.run(request, rights, quick=quick)
            node, epoch = self._identity.node, self._identity.epoch
            reply = encode_reply(request.id, node, epoch, answer.extra)
            reply.append(answer.body)
        except RequestError as error:
            self._refuse(envelope, request.id, error, request.op)
            return
        except (Exception, gevent.Timeout):
            logger.exception("operation %.80r failed", request.op)
            failed = InternalError("internal error; see the daemon's log")
            self._refuse(envelope, request.id, failed, request.op)
            return
        self._stats.requests[request.op] += 1
        self._stats.results[request.op, "ok"] += 1
        self._stats.seconds += time.monotonic() - begun
        self._send(envelope, reply)

    def _refuse(
        self, envelope: list[bytes], request_id: object, error: RequestError, op: str = ""
    ) -> None:
        self._stats.errors[error.code] += 1
        known = op if op in self._operations.names else "unknown"  # clients may send any text
        self._stats.results[known, error.code] += 1
        node, epoch = self._identity.node, self._identity.epoch
        self._send(envelope, encode_error(request_id, node, epoch, error))

    def _send(self, envelope: list[bytes], reply: list[bytes]) -> None:
        try:
            self._socket.send(envelope + reply)
        except zmq.Again:
            self._stats.dropped["client does not read"] += 1
        except zmq.ZMQError as error:
            gone = error.errno == zmq.EHOSTUNREACH
            self._stats.dropped["client is gone" if gone else "could not send"] += 1


def _require_few_containers(frames: list[bytes], most_bytes: int) -> None:
    """Refuse a request of very many arrays and maps before they are made.

    To decode 60,000 of them takes 30 ms, and to count them a tenth of one. Without the native part
    the decoder refuses them, later.
    """
    packed = frames[-1] if frames else b""
    if native is None or not MAX_CONTAINERS < len(packed) <= most_bytes:
        return
    if native.count_containers(packed) > MAX_CONTAINERS:
        raise BadRequestError(f"more than {MAX_CONTAINERS:,} arrays and maps")
