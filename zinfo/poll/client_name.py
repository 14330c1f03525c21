"""Names zinfo's connections by CLIENT SETNAME, and goes on without a name if a server refuses it.

The name only helps people who read CLIENT LIST. Redis before 2.6.9 does not know the command, Redis
before 6 refuses it while it loads its data, an ACL or `rename-command` may forbid it, and some
proxies close the connection.
"""

from __future__ import annotations

import time
from typing import Any, Final

import redis.exceptions

from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import AUTH, REFUSED, TIMEOUT, PollError, exception_chain, from_reply
from zinfo.poll.exchange import exchange
from zinfo.poll.resp import ErrorReply, pack
from zinfo.shards.shard import ShardState

CLIENT_NAME: Final = "zinfo"
"""Name of zinfo's connections in the server's CLIENT LIST."""

RETRY_DELAY: Final = 3600.0
"""Seconds after a refusal in which new connections to this server are not named.

Each refusal is an entry in the server's ACL log, or a failed call in its statistics."""

_REQUEST = pack("CLIENT", "SETNAME", CLIENT_NAME)
_MAX_REPLY = 4096  # bytes of the reply to it


class ClientNaming:
    """Decides which connections to one server are named. No I/O.

    A server that closes a connection, or does not reply, after CLIENT SETNAME is suspected. If the
    next attempt without the name succeeds, the name was the reason.
    """

    __slots__ = ("_not_before", "_pending", "_suspected")

    def __init__(self) -> None:
        self._not_before = 0.0  # monotonic clock
        self._pending = False  # the command was sent, and INFO has not been replied to
        self._suspected = False

    def wanted(self, now: float) -> bool:
        """Return whether to name the connection that is being made.

        Args:
            now: monotonic clock.
        """
        return not self._suspected and now >= self._not_before

    def on_sent(self) -> None:
        """The command is being sent."""
        self._pending = True

    def on_refused(self, now: float) -> None:
        """The server replied with an error."""
        self._not_before = now + RETRY_DELAY

    def on_info(self, now: float) -> None:
        """The server replied to INFO."""
        if self._suspected:
            self.on_refused(now)
        self._pending = self._suspected = False

    def on_failure(self, *, closed: bool, timeout: bool) -> bool:
        """The attempt to connect failed; return whether to try again at once, without the name.

        Args:
            closed: the server closed the connection.
            timeout: the server did not reply in time.
        """
        self._suspected = self._pending and (closed or timeout)
        self._pending = False
        return self._suspected and closed


def set_client_name(connection: Any, naming: ClientNaming, credentials: Credentials) -> None:
    """Name a redis-py Connection that is connected, if it is wanted; a refusal is no error.

    Raises:
        PollError: the server refuses the connection, or requires a password.
        OSError: the server closed it, or did not reply in time.
    """
    if not naming.wanted(time.monotonic()):
        return
    naming.on_sent()
    (reply,) = exchange(connection, _REQUEST, 1, _MAX_REPLY, status=True)
    if not isinstance(reply, ErrorReply):
        return
    error = from_reply(reply, credentials)
    if error.reason in (REFUSED, AUTH):  # of the connection, whatever the command
        raise error
    if error.state is ShardState.DOWN:  # the others are temporary
        naming.on_refused(time.monotonic())


def should_retry_unnamed(naming: ClientNaming, error: BaseException, failure: PollError) -> bool:
    """Return whether a failed attempt to connect is to be repeated at once, without the name.

    Args:
        naming: what is known of the server.
        error: why the attempt failed.
        failure: the same, classified.
    """
    if any(isinstance(cause, ConnectionAbortedError) for cause in exception_chain(error)):
        return False  # by `ConnectPool.close`: the poller stops
    closed = any(
        type(cause) is redis.exceptions.ConnectionError
        or (isinstance(cause, OSError) and not isinstance(cause, TimeoutError))
        for cause in exception_chain(error)
    )
    timeout = failure.reason == TIMEOUT
    return naming.on_failure(closed=closed and not timeout, timeout=timeout)
