"""QueryRouter: serves requests on the ROUTER socket. Frames in, operation, frames out.

An invalid message gets an error reply, or is counted and dropped; it never ends the loop.
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
from zinfo.query.call import QueryLimits
from zinfo.query.operations import Operations
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

_HWM = 100  # replies queued for a client that does not read; each may be large
_MAX_RUNNING = 1000  # concurrent requests; further ones get `busy`
_MAX_RUNNING_PER_PEER = 50  # so that one peer cannot use up all of them
# Maximum size in bytes of an envelope, which each reply repeats. A routing id has up to 255 bytes.
_MAX_ENVELOPE = 4096


class QueryRouter:
    """Serves requests on a ROUTER socket.

    One greenlet reads the requests, and runs the quick ones. Others, which take long or wait for
    polls, run in a greenlet each, so that they do not delay the rest.

    Args:
        context: green context for the socket.
        endpoint: where to bind.
        operations: runs the requests.
        stats: counters of requests, replies and errors.
        identity: of the daemon.
        limits: limits of requests.
        access: the clients that are admitted; None serves all.

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
        self.endpoint = bound_endpoint(sock)  #: where it listens, with the actual port
        self._operations = operations
        self._stats = stats.query
        self._identity = identity
        self._limits = limits
        self._running = gevent.pool.Group()
        self._running_by_peer: Counter[object] = Counter()

    def close(self) -> None:
        """Close the socket; running requests get no reply."""
        self._running.kill()
        self._socket.close()

    def client_endpoint(self) -> str:
        """Return the endpoint that is announced to clients."""
        return self.endpoint

    def serve_waiting(self) -> None:
        """Serve the requests that have arrived; for callbacks of the event loop that take long.

        Like `run`, which does the work, it serves for up to 2 ms of an iteration. Requests that are
        not quick are only started.
        """
        self._socket.wake_reader()

    def run(self) -> None:
        """Serve requests for ever; to be run in a greenlet."""
        yielder = CooperativeYield()
        while True:
            frames, key = self._receive()
            try:
                self._handle(frames, key)
            except Exception:  # one message must never end the loop
                self._stats.dropped["unexpected"] += 1
                logger.exception("unexpected error in handling a request")
            yielder.maybe_yield()  # receiving does not yield while requests are queued

    def _receive(self) -> tuple[list[bytes], str | None]:
        """Return the next message, and the public key of its sender."""
        if self._access is None:
            return self._socket.receive(), None
        frames = self._socket.receive(copy=False)  # only zmq.Frame has the sender's metadata
        return [frame.bytes for frame in frames], peer_public_key(frames[-1])

    def _handle(self, frames: list[bytes], key: str | None) -> None:
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
            self._send_error(envelope, error.request_id, error)
            return
        if self._operations.is_quick(request):
            self._serve(envelope, request, rights, quick=True)
        else:
            self._serve_in_greenlet(envelope, request, rights, key or frames[0])

    def _rights(self, key: str | None, request: Request) -> Rights | None:
        """Return the client's current rights; None for unlimited ones."""
        if self._access is None:
            return None
        rights = self._access.rights_of(key)
        if rights is None or not rights.can_call(request.op):
            error = NotAllowedError(f"this key is not allowed to call {request.op[:80]}")
            error.request_id = request.id
            raise error
        return rights

    def _serve_in_greenlet(
        self, envelope: list[bytes], request: Request, rights: Rights | None, peer: object
    ) -> None:
        peer_is_busy = self._running_by_peer[peer] >= _MAX_RUNNING_PER_PEER
        if peer_is_busy or len(self._running) >= _MAX_RUNNING:
            whose = " of this client" if peer_is_busy else ""
            error = BusyError(f"too many concurrent requests{whose}")
            self._send_error(envelope, request.id, error, request.op)
            return
        self._running_by_peer[peer] += 1
        greenlet = self._running.spawn(self._serve, envelope, request, rights)
        greenlet.rawlink(lambda _greenlet: self._on_end(peer))

    def _on_end(self, peer: object) -> None:
        self._running_by_peer[peer] -= 1
        if not self._running_by_peer[peer]:
            del self._running_by_peer[peer]

    def _serve(
        self, envelope: list[bytes], request: Request, rights: Rights | None, *, quick: bool = False
    ) -> None:
        started = time.monotonic()
        try:
            result = self._operations.run(request, rights, quick=quick)
            node, epoch = self._identity.node, self._identity.epoch
            reply = encode_reply(request.id, node, epoch, result.extra)
            reply.append(result.body)
        except RequestError as error:
            self._send_error(envelope, request.id, error, request.op)
            return
        except (Exception, gevent.Timeout):
            logger.exception("operation %.80r failed", request.op)
            failed = InternalError("internal error; see the daemon's log")
            self._send_error(envelope, request.id, failed, request.op)
            return
        self._stats.requests[request.op] += 1
        self._stats.results[request.op, "ok"] += 1
        self._stats.seconds += time.monotonic() - started
        self._send(envelope, reply)

    def _send_error(
        self, envelope: list[bytes], request_id: object, error: RequestError, op: str = ""
    ) -> None:
        self._stats.errors[error.code] += 1
        known = op if op in self._operations.names else "unknown"  # clients can send any text
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
    """Reject a request with very many arrays and maps before it is decoded.

    Decoding 60,000 of them takes 30 ms, counting them 0.1 ms. Without the native part, decoding
    rejects such a request.
    """
    packed = frames[-1] if frames else b""
    if native is None or not MAX_CONTAINERS < len(packed) <= most_bytes:
        return
    if native.count_containers(packed) > MAX_CONTAINERS:
        raise BadRequestError(f"more than {MAX_CONTAINERS:,} arrays and maps")
