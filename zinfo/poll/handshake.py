"""The slow path: redis-py connects, an INFO request is found, then its socket is taken over.

Runs in a greenlet and may block. The result is ready for the hot path (`InfoConnection`).
"""

from __future__ import annotations

import ssl
import time
import traceback
from dataclasses import dataclass
from typing import Any

import gevent
from gevent import monkey

from zinfo.errors import EnvironmentNotReadyError
from zinfo.info.bounds import size_problem_of_fields
from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.loop.yielding import fair_queue_of_hub
from zinfo.poll.bounded_socket import BoundedSocket
from zinfo.poll.client_name import ClientNaming, set_client_name, should_retry_unnamed
from zinfo.poll.connection import RealSocket
from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import PROTOCOL, PollError, exception_chain, from_exception
from zinfo.poll.info_request import InfoRequest, find_request
from zinfo.poll.limits import PollLimits
from zinfo.poll.redis_connection import bound_replies, from_options, from_pool
from zinfo.shards.connection_options import ConnectionOptions


@dataclass(slots=True)
class HandshakeResult:
    """A connection that is ready for the hot path.

    Attributes:
        sock: the connected, authenticated, non-blocking socket.
        info: the request that the server supports, and the first reply to it.
        credentials: those sent to the server.
        sections: the chosen sections of INFO.
        redis_conn: what was connected with, as in `RedisShard.redis_conn`.
    """

    sock: RealSocket
    info: InfoRequest
    credentials: Credentials
    sections: tuple[str, ...]
    redis_conn: Any


def require_cooperative_sockets() -> None:
    """Raise if redis-py would block the event loop.

    Raises:
        EnvironmentNotReadyError: gevent's monkey-patching was not done.
    """
    if not monkey.is_module_patched("socket"):
        raise EnvironmentNotReadyError(
            "polling needs gevent's monkey-patching: put `from gevent import monkey; "
            "monkey.patch_all()` before every other import of the program"
        )


def connect_and_poll(
    redis_conn: Any, limits: PollLimits, naming: ClientNaming
) -> HandshakeResult | dict[str, Any]:
    """Connect to a shard and request INFO for the first time.

    Args:
        redis_conn: `ConnectionOptions`, a `redis.Redis`, a callable that returns one, or an object
            with `info()`.
        limits: timeouts and size limits of this poll.
        naming: whether the server refused a name for the connection before.

    Returns:
        A connected socket with the first reply; or INFO as a dict, from a client whose socket
        cannot be taken over and whose `info()` is called for each poll.

    Raises:
        PollError: the connection or the poll failed.
    """
    seconds = limits.connect_timeout + limits.timeout
    # socket_timeout is per read, so that a server which drips bytes never reaches it. This bound on
    # the whole raises like the socket itself, which redis-py cleans up after.
    with gevent.Timeout(seconds, TimeoutError(f"no INFO within {seconds:g} s of connecting")):
        while True:
            credentials = Credentials()
            try:
                result = _connect_and_poll(redis_conn, limits, credentials, naming)
            except FOREIGN_ERRORS as error:  # also raised by a callable of the user
                close_abandoned_socket(error)
                failure = from_exception(error, credentials)
                if should_retry_unnamed(naming, error, failure):
                    continue
                # Not `from error`: its text, which a traceback would show, may contain the
                # password.
                raise failure from None
            naming.on_info(time.monotonic())
            return result


def close_abandoned_socket(error: BaseException) -> None:
    """Close a TLS socket whose constructor failed.

    gevent's constructor leaves the socket open if the peer resets the connection just before the
    TLS handshake. Only the frames of the traceback still refer to it.
    """
    for cause in exception_chain(error):
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            abandoned = frame.f_locals.get("self")
            if frame.f_code.co_name == "__init__" and isinstance(abandoned, ssl.SSLSocket):
                abandoned.close()


def _connect_and_poll(
    redis_conn: Any, limits: PollLimits, credentials: Credentials, naming: ClientNaming
) -> HandshakeResult | dict[str, Any]:
    fair_queue_of_hub("connecting").acquire_slice()
    if isinstance(redis_conn, ConnectionOptions):
        connection = from_options(redis_conn, limits, credentials)
        trusted_uids = redis_conn.trusted_uids
    else:
        client = redis_conn if hasattr(redis_conn, "info") else redis_conn()
        pool = getattr(client, "connection_pool", None)
        if pool is None:
            return _parsed_info(client, limits)
        connection, trusted_uids = from_pool(pool, limits, credentials), None
    bound_replies(connection, limits.max_reply_bytes, credentials, trusted_uids)
    try:
        connection.connect()
        if not hasattr(connection, "_sock"):  # a stand-in for redis-py's Connection
            return _parsed_info(client, limits)
        set_client_name(connection, naming, credentials)
        info = find_request(connection, limits, credentials)
        sock = _take_over(connection)
        return HandshakeResult(sock, info, credentials, limits.sections, redis_conn)
    finally:
        connection.disconnect()


def _parsed_info(client: Any, limits: PollLimits) -> dict[str, Any]:
    fields = dict(client.info())
    if problem := size_problem_of_fields(fields, limits.max_fields):
        raise PollError(problem, PROTOCOL)
    return fields


def _take_over(connection: Any) -> RealSocket:
    """Take the connected socket out of a redis-py Connection, which then has none.

    This function, `bound_replies` and `exchange` are the only ones that use redis-py's private
    `_sock`.

    Raises:
        PollError: the server sent more than the reply.
    """
    if connection.can_read(timeout=0):
        raise PollError("the server sent more than the reply to INFO", PROTOCOL)
    sock = connection._sock
    connection._sock = None
    if isinstance(sock, BoundedSocket):
        sock = sock.sock
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(0.0)  # gevent's SSLSocket then raises instead of waiting
        return sock
    # A socket of the standard library: gevent's has two watchers of its own.
    plain: RealSocket = monkey.get_original("socket", "socket")(fileno=sock.detach())
    plain.setblocking(False)
    return plain
