"""Why a poll failed: errors of redis-py, sockets, TLS and the server become one state and reason.

Foreign errors end here; the rest of zinfo sees a `PollError`.
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

# First word of an error reply, to state and reason. Redis makes it the error's kind (RESP spec,
# "Simple errors").
_REPLIES: dict[str, tuple[ShardState, str]] = {
    "BUSY": (ShardState.BUSY, ""),
    "LOADING": (ShardState.LOADING, ""),
    "NOAUTH": (ShardState.DOWN, AUTH),
    "WRONGPASS": (ShardState.DOWN, AUTH),
    "NOPERM": (ShardState.DOWN, NOPERM),
    "DENIED": (ShardState.DOWN, REFUSED),  # protected mode
}


# What stands for a server's words while it has not taken the password: they may repeat it. By what
# is found in them, in this order.
_BEFORE_AUTH = (
    ("unknown command", "the server does not know AUTH: it is renamed or switched off there"),
    ("without any password", "the server refuses AUTH, as it has no password set"),
    ("no password is set", "the server refuses AUTH, as it has no password set"),
    ("max number of clients", "the server has its maximum number of clients"),
    ("protected mode", "the server is in protected mode"),
)
_BEFORE_AUTH_BY_STATE = {
    ShardState.LOADING: "the server is loading its data",
    ShardState.BUSY: "a script keeps the server busy",
    ShardState.DOWN: "the server refuses the password or the user",
}


class PollError(ZinfoError):
    """A poll that brought no INFO.

    Args:
        message: for humans; one line, no secrets.
        state: what the shard is, as far as this failure tells.
        reason: why it is down; "" for loading and busy.
    """

    def __init__(
        self, message: str, reason: str = OTHER, state: ShardState = ShardState.DOWN
    ) -> None:
        super().__init__(message)
        self.message = " ".join(message.split())[:300]  # a server's words may be long
        self.reason = reason
        self.state = state


_NO_CREDENTIALS = Credentials()


def from_reply(line: str, credentials: Credentials = _NO_CREDENTIALS) -> PollError:
    """Return the failure that an error reply means.

    Args:
        line: the reply, without its `-`.
        credentials: that the server was shown, which are kept out of the error.
    """
    word, message = line.partition(" ")[0], credentials.safe(line)
    if "max number of clients" in line:
        return PollError(message, REFUSED)
    if word in _REPLIES:
        state, reason = _REPLIES[word]
        return PollError(message, reason, state)
    if "authentication" in line.lower() or "invalid password" in line.lower():
        return PollError(message, AUTH)  # before Redis 6 these were plain -ERR
    return PollError(message, OTHER)


def from_exception(error: BaseException, credentials: Credentials = _NO_CREDENTIALS) -> PollError:
    """Return the failure that an exception of redis-py or of a socket means.

    Args:
        error: the exception; its text may be a server's.
        credentials: that the server was shown, which are kept out of the error.
    """
    if isinstance(error, PollError):
        return error
    failure = _classified(error, credentials)
    if credentials.refused and not _is_of_this_side(error):
        words = str(error).lower()
        texts = (text for part, text in _BEFORE_AUTH if part in words)
        text = next(texts, _BEFORE_AUTH_BY_STATE[failure.state])
        reason = AUTH if failure.reason == OTHER else failure.reason
        return PollError(text, reason, failure.state)
    return failure


def _is_of_this_side(error: BaseException) -> bool:
    """Return whether an exception has no word of the server's in its text."""
    return isinstance(error, (OSError, gevent.Timeout, SecretUnavailableError)) or type(error) in (
        redis.exceptions.ConnectionError,
        redis.exceptions.TimeoutError,
    )


def _classified(error: BaseException, credentials: Credentials) -> PollError:
    words = str(error)
    message = credentials.safe(words) or type(error).__name__
    if isinstance(error, gevent.Timeout):
        message = f"gevent.Timeout: {message}"
    links = list(chain(error))
    for kinds, reason in _KINDS:
        if any(isinstance(link, kinds) for link in links):
            return PollError(message, reason)
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return PollError(message, "", ShardState.LOADING)
    if isinstance(error, redis.exceptions.ResponseError) or "max number of clients" in words:
        return from_reply(words, credentials)
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


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Return an exception and those behind it, the newest first.

    redis-py raises its own error while it handles the socket's: that one is the context.
    """
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
