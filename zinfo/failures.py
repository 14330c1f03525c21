"""Why a poll failed: errors of redis-py, sockets, TLS and the server become one state and reason.

Foreign errors end here; the rest of zinfo sees a `PollError`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import gevent
import redis.exceptions

from zinfo.connection_options import SecretUnavailableError
from zinfo.errors import ZinfoError
from zinfo.shard import ShardState

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


def from_reply(line: str) -> PollError:
    """Return the failure that an error reply (without its `-`) means."""
    word = line.partition(" ")[0]
    if "max number of clients" in line:
        return PollError(line, REFUSED)
    if word in _REPLIES:
        state, reason = _REPLIES[word]
        return PollError(line, reason, state)
    if "authentication" in line.lower() or "invalid password" in line.lower():
        return PollError(line, AUTH)  # before Redis 6 these were plain -ERR
    return PollError(line, OTHER)


def from_exception(error: BaseException) -> PollError:
    """Return the failure that an exception of redis-py or of a socket means."""
    if isinstance(error, PollError):
        return error
    message = str(error) or type(error).__name__
    if isinstance(error, gevent.Timeout):
        message = f"gevent.Timeout: {message}"
    links = list(chain(error))
    for kinds, reason in _KINDS:
        if any(isinstance(link, kinds) for link in links):
            return PollError(message, reason)
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return PollError(message, "", ShardState.LOADING)
    if isinstance(error, redis.exceptions.ResponseError) or "max number of clients" in message:
        return from_reply(message)
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
