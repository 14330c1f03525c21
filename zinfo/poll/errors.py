"""Maps errors of redis-py, sockets, TLS and the server to a `PollError` with a state and reason.

No other module of zinfo sees the original exceptions.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import gevent
import redis.exceptions

from zinfo.errors import ZinfoError
from zinfo.poll.credentials import Credentials
from zinfo.shards.connection_options import SecretUnavailableError
from zinfo.shards.shard import ShardState

TIMEOUT = "timeout"
REFUSED = "refused"
AUTH = "auth"
NOPERM = "noperm"
TLS = "tls"
DNS = "dns"
PROTOCOL = "protocol"
OTHER = "other"

# State and reason by the first word of an error reply, which is the kind of the error (RESP spec,
# "Simple errors").
_REPLIES: dict[str, tuple[ShardState, str]] = {
    "BUSY": (ShardState.BUSY, ""),
    "LOADING": (ShardState.LOADING, ""),
    "NOAUTH": (ShardState.DOWN, AUTH),
    "WRONGPASS": (ShardState.DOWN, AUTH),
    "NOPERM": (ShardState.DOWN, NOPERM),
    "DENIED": (ShardState.DOWN, REFUSED),  # protected mode
}

# Parts of error replies that were plain -ERR before Redis 6; the second is of Redis before 2.8.
_AUTH_TEXTS = ("authentication", "operation not permitted", "invalid password")

# Texts that replace the server's own until it has accepted the password, which its own may repeat.
# By a part of the server's text; the first match counts.
_BEFORE_AUTH = (
    ("unknown command", "the server does not know AUTH: it is renamed or switched off there"),
    ("without any password", "the server refuses AUTH, as it has no password set"),
    ("no password is set", "the server refuses AUTH, as it has no password set"),
    ("max number of clients", "the server has its maximum number of clients"),
    ("protected mode", "the server is in protected mode"),
)
_BEFORE_AUTH_BY_STATE = {
    ShardState.LOADING: "the server is loading its data",
    ShardState.BUSY: "a script blocks the server",
    ShardState.DOWN: "the server refuses the password or the user",
}


class PollError(ZinfoError):
    """A poll that returned no INFO.

    Args:
        message: for humans; one line, no secrets.
        reason: why the shard is down; "" for loading and busy.
        state: the state of the shard that this failure implies.
    """

    def __init__(
        self, message: str, reason: str = OTHER, state: ShardState = ShardState.DOWN
    ) -> None:
        super().__init__(message)
        self.message = " ".join(message.split())[:300]  # a server's text may be long
        self.reason = reason
        self.state = state


class ErrorReplyError(PollError):
    """An error reply to AUTH or INFO: the server speaks the Redis protocol."""


_NO_CREDENTIALS = Credentials()


def from_reply(line: str, credentials: Credentials = _NO_CREDENTIALS) -> PollError:
    """Return the `PollError` for an error reply.

    Args:
        line: the reply, without its `-`.
        credentials: those sent to the server; they are removed from the text.
    """
    code, message = line.partition(" ")[0], credentials.redact(line)
    if "max number of clients" in line:
        return ErrorReplyError(message, REFUSED)
    if code in _REPLIES:
        state, reason = _REPLIES[code]
        return ErrorReplyError(message, reason, state)
    if any(text in line.lower() for text in _AUTH_TEXTS):
        return ErrorReplyError(message, AUTH)
    return ErrorReplyError(message, OTHER)


def from_exception(error: BaseException, credentials: Credentials = _NO_CREDENTIALS) -> PollError:
    """Return the `PollError` for an exception of redis-py or of a socket.

    Args:
        error: the exception; its text may come from the server.
        credentials: those sent to the server; they are removed from the text.
    """
    if isinstance(error, PollError):
        return error
    failure = _classify(error, credentials)
    if credentials.unconfirmed and not _is_local(error):
        received = str(error).lower()
        texts = (text for part, text in _BEFORE_AUTH if part in received)
        text = next(texts, _BEFORE_AUTH_BY_STATE[failure.state])
        reason = AUTH if failure.reason == OTHER else failure.reason
        return PollError(text, reason, failure.state)
    return failure


def _is_local(error: BaseException) -> bool:
    """Return whether the text of an exception contains nothing that the server sent."""
    return isinstance(error, (OSError, gevent.Timeout, SecretUnavailableError)) or type(error) in (
        redis.exceptions.ConnectionError,
        redis.exceptions.TimeoutError,
    )


def _classify(error: BaseException, credentials: Credentials) -> PollError:
    text = str(error)
    message = credentials.redact(text) or type(error).__name__
    if isinstance(error, gevent.Timeout):
        message = f"gevent.Timeout: {message}"
    causes = list(exception_chain(error))
    for kinds, reason in _KINDS:
        if any(isinstance(cause, kinds) for cause in causes):
            return PollError(message, reason)
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return PollError(message, "", ShardState.LOADING)
    if isinstance(error, redis.exceptions.ResponseError) or "max number of clients" in text:
        return from_reply(text, credentials)
    return PollError(message, OTHER)


# In this order: a TLS or DNS error is an OSError too, and a timeout may hide a refusal.
_KINDS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((SecretUnavailableError, redis.exceptions.AuthenticationError), AUTH),
    ((redis.exceptions.AuthenticationWrongNumberOfArgsError,), AUTH),
    ((redis.exceptions.NoPermissionError,), NOPERM),
    ((ssl.SSLError, ssl.CertificateError), TLS),
    ((socket.gaierror, UnicodeError), DNS),  # a host name that IDNA cannot encode
    ((redis.exceptions.InvalidResponse,), PROTOCOL),
    ((ConnectionRefusedError, FileNotFoundError, PermissionError), REFUSED),
    ((TimeoutError, redis.exceptions.TimeoutError, gevent.Timeout), TIMEOUT),
)


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an exception and its causes, the newest first.

    redis-py raises its own error while it handles the socket's, which becomes the context.
    """
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
