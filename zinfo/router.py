"""QueryRouter: owns the ROUTER socket. Frames in, operation, frames out.

A bad message gets an error reply or is counted and dropped; it never ends the loop.
"""

from __future__ import annotations

import logging
import time

import gevent
import gevent.pool
import zmq

from zinfo.breath import Breath
from zinfo.endpoints import GreenContext, bound_endpoint, listen, reachable
from zinfo.errors import BadRequestError, BusyError, InternalError, ProtocolError, RequestError
from zinfo.identity import Identity
from zinfo.operations import Operations, QueryLimits
from zinfo.protocol import (
    Request,
    decode_request,
    encode_error,
    encode_reply,
    split_envelope,
)
from zinfo.stats import Stats

logger = logging.getLogger(__name__)

_HWM = 1000  # replies held for a client that does not read; more are dropped and counted
_MAX_RUNNING = 1000  # requests under way; more get `busy`


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
    ) -> None:
        self._socket = listen(context, zmq.ROUTER, endpoint, "query endpoint", _HWM)
        self.endpoint = bound_endpoint(self._socket)  #: where it listens, with the port it got
        self._operations = operations
        self._stats = stats.query
        self._identity = identity
        self._limits = limits
        self._running = gevent.pool.Group()

    def close(self) -> None:
        """Close the socket; requests under way get no reply."""
        self._running.kill()
        self._socket.close(linger=0)

    def client_endpoint(self) -> str:
        """Return the endpoint as a client on this machine reaches it."""
        return reachable(self.endpoint)

    def run(self) -> None:
        """Take requests for ever; to be run in a greenlet."""
        breath = Breath()
        while True:
            frames = self._socket.recv_multipart()
            try:
                self._take(frames)
            except Exception:  # one message must never end the loop
                self._stats.dropped["unexpected"] += 1
                logger.exception("a request failed in an unexpected way")
            breath.take()  # while requests wait already, reading them never yields

    def _take(self, frames: list[bytes]) -> None:
        try:
            envelope, rest = split_envelope(frames)
        except ProtocolError:
            self._stats.dropped["no envelope"] += 1
            return
        try:
            request = decode_request(rest, self._limits.max_request_bytes)
        except RequestError as error:
            request_id = error.request_id if isinstance(error, BadRequestError) else None
            self._refuse(envelope, request_id, error)
            return
        if len(self._running) >= _MAX_RUNNING:
            self._refuse(envelope, request.id, BusyError("too many requests under way"))
            return
        if self._operations.is_quick(request):
            self._serve(envelope, request)
        else:
            self._running.spawn(self._serve, envelope, request)

    def _serve(self, envelope: list[bytes], request: Request) -> None:
        begun = time.monotonic()
        try:
            answer = self._operations.run(request)
            node, epoch = self._identity.node, self._identity.epoch
            reply = encode_reply(request.id, node, epoch, answer.extra)
            reply.append(answer.body)
        except RequestError as error:
            self._refuse(envelope, request.id, error)
            return
        except Exception:
            logger.exception("operation %.80r failed", request.op)
            self._refuse(envelope, request.id, InternalError("the daemon failed; see its log"))
            return
        self._stats.requests[request.op] += 1
        self._stats.seconds += time.monotonic() - begun
        self._send(envelope, reply)

    def _refuse(self, envelope: list[bytes], request_id: object, error: RequestError) -> None:
        self._stats.errors[error.code] += 1
        node, epoch = self._identity.node, self._identity.epoch
        self._send(envelope, encode_error(request_id, node, epoch, error))

    def _send(self, envelope: list[bytes], reply: list[bytes]) -> None:
        try:
            self._socket.send_multipart(envelope + reply, zmq.NOBLOCK)
        except zmq.Again:
            self._stats.dropped["client does not read"] += 1
        except zmq.ZMQError as error:
            gone = error.errno == zmq.EHOSTUNREACH
            self._stats.dropped["client is gone" if gone else "could not send"] += 1
