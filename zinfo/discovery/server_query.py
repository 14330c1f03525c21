"""ServerQuery: asks a server a few commands over a connection of its own, for a source of shards.

The connection is made as that of a shard, with its credentials and TLS files. What the server
replies is bounded in bytes, items and time, and every failure is a `SourceError`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
import gevent.pool

from zinfo.discovery.nested_reply import NestedReplyReader, Reply
from zinfo.errors import SourceError
from zinfo.health import fd_limits
from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import (
    OTHER,
    PROTOCOL,
    TIMEOUT,
    PollError,
    exception_chain,
    from_exception,
    from_reply,
)
from zinfo.poll.exchange import exchange_with, peer_host
from zinfo.poll.handshake import close_abandoned_socket
from zinfo.poll.limits import PollLimits
from zinfo.poll.peer_protocol import diagnose
from zinfo.poll.redis_connection import bound_replies, from_options
from zinfo.poll.resp import ErrorReply, pack
from zinfo.shards.connection_options import ConnectionOptions

if TYPE_CHECKING:
    from typing_extensions import Self

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """The bounds of a connection to one server.

    Attributes:
        timeout: seconds for the connection and all commands together.
        max_bytes: the most bytes of one reply.
        max_items: the most items of one reply.
    """

    timeout: float = 4.0
    max_bytes: int = 8 * 1024 * 1024
    max_items: int = 200_000


class ServerQueryError(SourceError):
    """A server cannot be asked, or its reply cannot be used; one line, no secrets.

    Attributes:
        reason: why, in one word, as a shard that is down has it: timeout, refused, auth, noperm,
            tls, dns, protocol or other.
    """

    def __init__(self, message: str, reason: str = OTHER) -> None:
        super().__init__("".join(one if one.isprintable() else "?" for one in message))
        self.reason = reason


class ServerQuery:
    """A connection to one server; entering connects it, leaving closes it.

    Args:
        options: the server and its credentials.
        limits: the bounds.
        explain: whether to find out by a second connection what a server speaks that does not
            reply as Redis, as `peer_protocol.diagnose` does.

    Raises:
        ServerQueryError: on entering: it cannot be connected.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        limits: QueryLimits | None = None,
        *,
        explain: bool = True,
    ) -> None:
        self._options = options
        self._explain = explain
        self._limits = limits or QueryLimits()
        self._deadline = 0.0
        self._credentials = Credentials()
        self._connection: Any = None

    @property
    def peer_host(self) -> str:
        """The IP address that it is connected to; "" for a Unix socket."""
        return peer_host(self._connection)

    def run(self, *command: str) -> Reply:
        """Run a command and return its reply.

        An error reply leaves the connection open, any other failure closes it.

        Raises:
            ServerQueryError: an error reply, a reply that exceeds a bound, or no reply in time.
        """
        reply = self._bounded(self._run, [command], None)
        if isinstance(reply, ErrorReply):
            raise self._error_reply(reply)
        return reply

    def run_together(self, commands: Sequence[Sequence[str]]) -> list[Reply | ServerQueryError]:
        """Run commands that are sent together, and return their replies in order.

        The bounds of a reply are those of all of them together.

        Returns:
            The reply, or the error reply as an exception, for each command.

        Raises:
            ServerQueryError: replies that exceed a bound, or not all in time.
        """
        if not commands:
            return []
        replies = self._bounded(self._run, commands, len(commands))
        assert isinstance(replies, list)
        return [self._error_reply(one) if isinstance(one, ErrorReply) else one for one in replies]

    def __enter__(self) -> Self:
        self._deadline = time.monotonic() + self._limits.timeout
        if fd_limits.exhausted():
            raise ServerQueryError(f"out of file descriptors: {fd_limits.limit()} are allowed")
        self._bounded(self._connect)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _connect(self) -> None:
        seconds = self._limits.timeout
        limits = PollLimits(timeout=seconds, connect_timeout=seconds)
        self._connection = from_options(self._options, limits, self._credentials)
        bound_replies(
            self._connection,
            limits.max_reply_bytes,
            self._credentials,
            self._options.trusted_uids,
        )
        self._connection.connect()

    def _run(self, commands: Sequence[Sequence[str]], count: int | None) -> Reply:
        reader = NestedReplyReader(self._limits.max_bytes, self._limits.max_items, count)
        exchange_with(self._connection, b"".join(pack(*one) for one in commands), reader)
        return reader.reply

    def _error_reply(self, reply: ErrorReply) -> ServerQueryError:
        error = from_reply(reply, self._credentials)
        return ServerQueryError(error.message, error.reason or error.state.value)

    def _bounded(self, step: Callable[..., ResultT], *args: Any) -> ResultT:
        """Call `step` within the time that is left.

        Raises:
            ServerQueryError: it failed; the connection is closed.
        """
        timeout = self._limits.timeout
        # redis-py's timeouts are per read, so that a server which drips bytes never reaches them.
        late = TimeoutError(f"no reply within {timeout:g} s")
        try:
            with gevent.Timeout(max(self._deadline - time.monotonic(), 0), late):
                return step(*args)
        except SourceError as error:  # of the reader
            raise self._failed(PollError(str(error), PROTOCOL)) from None
        except Exception as error:
            close_abandoned_socket(error)
            stopped = any(  # by `query_all`
                isinstance(cause, ConnectionAbortedError) for cause in exception_chain(error)
            )
            failure = from_exception(error, self._credentials)
            # Not `from error`: its text, which a traceback would show, may contain the password.
            raise self._failed(failure, explain=self._explain and not stopped) from None
        except BaseException:  # the greenlet is killed
            self._close()
            raise

    def _failed(self, error: PollError, *, explain: bool = False) -> ServerQueryError:
        self._close()
        # A probe takes a second. A server without TLS waits for more bytes than a TLS greeting has.
        if explain and (error.reason != TIMEOUT or self._options.url.startswith("rediss:")):
            diagnosis = diagnose(self._options, error, None, time.monotonic())
            if diagnosis is not None and diagnosis.found is not None:
                error = diagnosis.found
        return ServerQueryError(error.message, error.reason or error.state.value)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()


def query_all(
    query: Callable[[ItemT], ResultT], items: Iterable[ItemT], max_greenlets: int
) -> list[ResultT | SourceError]:
    """Call `query` for items, several at the same time.

    Args:
        query: called with an item in a greenlet of its own; uses a `ServerQuery`.
        items: what to ask for, in an order of their importance.
        max_greenlets: the most calls at the same time.

    Returns:
        What `query` returned, or the `SourceError` that it raised, for each item in order.

    Raises:
        Exception: that `query` raised and that is no `SourceError`.
    """

    def run(item: ItemT) -> ResultT | Exception:
        try:
            return query(item)
        except Exception as error:  # raised below: gevent would print it
            return error

    group = gevent.pool.Pool(max_greenlets)
    try:
        found = list(group.imap(run, items, maxsize=max_greenlets))
    finally:
        # redis-py closes its socket on a socket error, but not on gevent's GreenletExit.
        group.kill(ConnectionAbortedError("stopped"))
    results: list[ResultT | SourceError] = []
    for one in found:
        if isinstance(one, Exception) and not isinstance(one, SourceError):
            raise one
        results.append(one)
    return results
