"""Creates redis-py Connections for the handshake: arguments, TLS files, checks before AUTH.

The Connections are single: no retries, no pool, RESP 2, bounded replies. Nothing connects here.
"""

from __future__ import annotations

import inspect
import socket
from pathlib import Path
from typing import Any

import gevent
import redis
import redis.connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from zinfo.poll.bounded_socket import BoundedSocket
from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import AUTH, TLS, PollError
from zinfo.poll.limits import PollLimits
from zinfo.poll.tls_connection import TlsConnection
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.peer_user import peer_uids, peer_uids_available
from zinfo.wire.addresses import parse_shard_url

# CLIENT SETINFO counts as a failed call before Redis 7.2 and needs a permission of its own. The
# argument that turns it off has another name before redis-py 7.
_CONNECTION_ARGUMENTS = inspect.signature(redis.connection.AbstractConnection.__init__).parameters
_NO_CLIENT_SETINFO: dict[str, Any] = (
    {"driver_info": None}
    if "driver_info" in _CONNECTION_ARGUMENTS
    else {"lib_name": "", "lib_version": ""}
)
# Prefixes of the connection arguments that tie a connection to its pool; they are dropped here.
_POOL_ARGUMENTS = ("maint", "orig_", "oss_cluster", "event_dispatcher", "driver_info", "lib_")


def from_options(options: ConnectionOptions, limits: PollLimits, credentials: Credentials) -> Any:
    """Return a redis-py Connection, not yet connected, for a shard's options.

    Raises:
        PollError: a TLS file cannot be read.
        SecretUnavailableError: the password cannot be read.
    """
    address = parse_shard_url(options.url)
    kwargs: dict[str, Any] = {"username": address.username, "password": address.password}
    connection_class: Any = redis.Connection
    if address.tls:
        connection_class, kwargs["options"] = TlsConnection, options
    if address.path:
        connection_class, kwargs["path"] = redis.UnixDomainSocketConnection, address.path
    else:
        kwargs.update(host=address.host, port=address.port)
    for path in (options.ca_file, options.cert_file, options.key_file):
        _require_readable(path)
    password = options.resolve_password()
    if options.username is not None:
        kwargs["username"] = options.username
    if password is not None:
        kwargs["password"] = password
    return _construct(connection_class, kwargs, limits, credentials)


def from_pool(pool: Any, limits: PollLimits, credentials: Credentials) -> Any:
    """Return a Connection, not yet connected, with the arguments of a redis-py ConnectionPool.

    It does not belong to the pool, which would want it back.
    """
    kwargs = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if not name.startswith(_POOL_ARGUMENTS)
    }
    limits = PollLimits(
        timeout=kwargs.get("socket_timeout") or limits.timeout,
        connect_timeout=kwargs.get("socket_connect_timeout") or limits.connect_timeout,
    )
    kwargs.pop("db", None)
    return _construct(pool.connection_class, kwargs, limits, credentials)


def bound_replies(
    connection: Any,
    max_reply_bytes: int,
    credentials: Credentials,
    trusted_uids: frozenset[int] | None,
) -> None:
    """Wrap the socket of a Connection as soon as it is connected, before anything is sent.

    This function, `handshake._take_over` and `exchange` are the only ones that use redis-py's
    private `_sock`.

    Args:
        connection: not yet connected.
        max_reply_bytes: size of the longest reply that is accepted.
        credentials: those that the connection sends.
        trusted_uids: users whose servers on this machine may receive them; None for all.
    """
    if not hasattr(connection, "redis_connect_func"):
        return  # a stand-in for redis-py's Connection, without a socket
    on_connect = connection.redis_connect_func

    def connected(connection: Any) -> None:
        if trusted_uids is not None and credentials.present:
            _require_trusted_server(connection._sock, trusted_uids)
        connection._sock = BoundedSocket(connection._sock, max_reply_bytes, credentials)
        if on_connect is None:
            connection.on_connect()
        else:
            on_connect(connection)

    connection.redis_connect_func = connected


def _require_trusted_server(sock: Any, trusted_uids: frozenset[int]) -> None:
    """Raise unless the server on this machine is a process of one of these users.

    Raises:
        PollError: the process belongs to another user, or to an unknown one.
    """
    if sock.family != socket.AF_UNIX and not peer_uids_available():
        return  # not supported by this system; the user was checked when the process was found
    uids: frozenset[int] = gevent.get_hub().threadpool.apply(peer_uids, (sock,))
    if uids and uids <= trusted_uids:
        return
    user = f"user {', '.join(map(str, sorted(uids)))}" if uids else "an unknown user"
    raise PollError(
        f"user and password are not sent: the server is a process of {user}; "
        "local.trusted_users lists the users whose servers may receive them",
        AUTH,
    )


def _construct(
    connection_class: Any, kwargs: dict[str, Any], limits: PollLimits, credentials: Credentials
) -> Any:
    credentials.add(kwargs.get("username"), kwargs.get("password"))
    kwargs.update(_common_arguments(limits))
    if issubclass(connection_class, redis.UnixDomainSocketConnection):
        for name in ("socket_connect_timeout", "socket_keepalive", "host", "port"):
            kwargs.pop(name, None)
    return connection_class(**kwargs)


def _common_arguments(limits: PollLimits) -> dict[str, Any]:
    return {
        "client_name": None,  # a refusal would be an error: `client_name` names the connection
        # redis-py 8 would retry a dead server for a minute
        "socket_connect_timeout": limits.connect_timeout,
        "socket_timeout": limits.timeout,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "retry_on_error": [],
        "protocol": 2,  # no push messages
        "decode_responses": False,
        "health_check_interval": 0,
        "socket_keepalive": True,
        **_NO_CLIENT_SETINFO,
    }


def _require_readable(path: str | None) -> None:
    if path is None:
        return
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise PollError(f"TLS file: {error}", TLS) from error
