"""The slow path: redis-py connects, the INFO variant is chosen, the socket is taken over.

Runs in a greenlet and may wait; what it returns is ready for the hot path (`connection.Link`).
"""

from __future__ import annotations

import inspect
import socket
import ssl
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import gevent
import redis
import redis.connection
from gevent import monkey
from redis.backoff import NoBackoff
from redis.retry import Retry

from zinfo.errors import EnvironmentNotReadyError
from zinfo.info.bounds import size_problem, size_problem_of_fields
from zinfo.info.field_reader import has_fields
from zinfo.loop.foreign_errors import FOREIGN_ERRORS
from zinfo.loop.yielding import fair_queue_of_hub
from zinfo.poll.connection import RealSocket
from zinfo.poll.credentials import Credentials
from zinfo.poll.errors import AUTH, PROTOCOL, TLS, PollError, chain, from_exception
from zinfo.poll.limits import Limits, too_long
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.peer_user import peer_uids, peer_uids_available
from zinfo.wire.addresses import parse_shard_url

CLIENT_NAME = "zinfo"
# An unknown section gives an empty reply, very old servers an error; each step knows less.
INFO_VARIANTS: tuple[tuple[str, ...], ...] = (("INFO", "everything"), ("INFO", "all"), ("INFO",))

# CLIENT SETINFO counts as a failed call before Redis 7.2 and needs a permission of its own. The
# argument that turns it off has another name before redis-py 7.
_CONNECTION_ARGUMENTS = inspect.signature(redis.connection.AbstractConnection.__init__).parameters
_NO_CLIENT_SETINFO: dict[str, Any] = (
    {"driver_info": None}
    if "driver_info" in _CONNECTION_ARGUMENTS
    else {"lib_name": "", "lib_version": ""}
)
# What a pool passes to its connections so that they report back to it.
_POOL_TIES = ("maint", "orig_", "oss_cluster", "event_dispatcher", "driver_info", "lib_")

_requests: dict[bytes, bytes] = {}  # one copy of each for all shards: there are few variants

_LITTLE = 64 * 1024  # bytes that any reply may have
_REPLIES_BEGIN = frozenset((b"+", b"-", b":", b"$"))  # RESP's, of all that is sent here
_MAX_LENGTH = 32  # bytes of the line that says how long a reply is, at most


class HasInfo(Protocol):
    """A client that can be asked for INFO, whatever is behind it."""

    def info(self) -> dict[str, Any]:
        """Return INFO, parsed."""


@dataclass(slots=True)
class Opened:
    """What a handshake ends with.

    Attributes:
        sock: the connected, authenticated, non-blocking socket.
        request: the bytes that ask for INFO on it.
        first: the first INFO reply.
        credentials: that the server was shown.
    """

    sock: RealSocket
    request: bytes
    first: bytes
    credentials: Credentials


def require_cooperative_sockets() -> None:
    """Raise where redis-py would block the event loop.

    Raises:
        EnvironmentNotReadyError: gevent's monkey-patching was not done.
    """
    if not monkey.is_module_patched("socket"):
        raise EnvironmentNotReadyError(
            "polling needs gevent's monkey-patching: put `from gevent import monkey; "
            "monkey.patch_all()` before every other import of the program"
        )


def open_or_ask(redis_conn: Any, limits: Limits) -> Opened | dict[str, Any]:
    """Connect to a shard and ask it for INFO the first time.

    Args:
        redis_conn: `ConnectionOptions`, a `redis.Redis`, a callable returning one, or an object
            with `info()`.
        limits: bounds of this poll.

    Returns:
        A connected socket with the first reply; or INFO as a dict, from a client whose socket
        cannot be taken over and that is asked through `info()` each time.

    Raises:
        PollError: whatever went wrong.
    """
    seconds = limits.connect_timeout + limits.timeout
    # socket_timeout is per read: a server that drips bytes never hits it, so one bound around all.
    # It comes as the socket's own error would, which redis-py cleans up after.
    with gevent.Timeout(seconds, TimeoutError(f"no INFO within {seconds:g} s of connecting")):
        credentials = Credentials()
        try:
            return _open_or_ask(redis_conn, limits, credentials)
        except PollError:
            raise
        except FOREIGN_ERRORS as error:  # also out of a callable of the user
            _close_abandoned(error)
            # Not `from error`: its text, which a traceback would show, may hold the password.
            raise from_exception(error, credentials) from None


def _close_abandoned(error: BaseException) -> None:
    """Close a TLS socket that failed while it was made, and that nobody else can close.

    gevent's leaves itself open where the peer resets the connection just before the handshake; only
    the frames of the traceback still know it.
    """
    for link in chain(error):
        for frame, _ in traceback.walk_tb(link.__traceback__):
            half_made = frame.f_locals.get("self")
            if frame.f_code.co_name == "__init__" and isinstance(half_made, ssl.SSLSocket):
                half_made.close()


def _open_or_ask(
    redis_conn: Any, limits: Limits, credentials: Credentials
) -> Opened | dict[str, Any]:
    fair_queue_of_hub("connecting").acquire_slice()
    if isinstance(redis_conn, ConnectionOptions):
        connection = _from_options(redis_conn, limits, credentials)
        trusted = redis_conn.trusted_uids
    else:
        client = redis_conn if hasattr(redis_conn, "info") else redis_conn()
        pool = getattr(client, "connection_pool", None)
        if pool is None:
            return _parsed(client, limits)
        connection, trusted = _from_pool(pool, limits, credentials), None
    _bound(connection, limits.max_reply_bytes, credentials, trusted)
    try:
        connection.connect()
        request, first = _choose_variant(connection, limits)
        if not hasattr(connection, "_sock"):
            return _parsed(client, limits)  # a stand-in for redis-py's Connection: it has no socket
        return Opened(_take_over(connection), request, first, credentials)
    finally:
        connection.disconnect()


def _parsed(client: HasInfo, limits: Limits) -> dict[str, Any]:
    fields = dict(client.info())
    if too_much := size_problem_of_fields(fields, limits.max_fields):
        raise PollError(too_much, PROTOCOL)
    return fields


class _Bounded:
    """A socket that gives no more than a reply may have: redis-py takes one of any size and kind.

    What is done with each piece that was read is part of the share that all handshakes have of a
    turn of the event loop: gevent's sockets give what is there without a turn of others, redis-py
    may need a long time to read it, and a hundred handshakes may go on in one turn.

    Args:
        sock: the socket; all but sending and reading goes to it.
        most: bytes of the longest reply.
        credentials: take note of what is shown to the server, and whether it takes it.
    """

    def __init__(self, sock: Any, most: int, credentials: Credentials) -> None:
        self.sock = sock
        self._most = most
        self._credentials = credentials
        self._begins = True
        self._left = 0  # bytes that the present reply may still have
        self._queue = fair_queue_of_hub("connecting")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def sendall(self, *args: Any) -> None:
        """Send as `socket.sendall` does; what is read next begins a reply."""
        self._begins = True
        self._credentials.sent(bytes(args[0]))
        self.sock.sendall(*args)

    def recv(self, *args: Any) -> bytes:
        """Read as `socket.recv` does."""
        data: bytes = self.sock.recv(*args)
        self._queue.acquire_slice()
        self._look(data[:_MAX_LENGTH], len(data))
        return data

    def recv_into(self, buffer: Any, *args: Any) -> int:
        """Read as `socket.recv_into` does."""
        count: int = self.sock.recv_into(buffer, *args)
        self._queue.acquire_slice()
        self._look(bytes(buffer[: min(count, _MAX_LENGTH)]), count)
        return count

    def _look(self, head: bytes, count: int) -> None:
        if self._begins and count:
            # Not to wait for what may never come: the end of a line, or of a reply.
            self._begins = False
            self._credentials.answered(head)
            self._left = self._allowed(head) + _LITTLE
        self._left -= count
        if self._left < 0:
            raise PollError("the server sends more than a reply may have", PROTOCOL)

    def _allowed(self, head: bytes) -> int:
        if head[:1] not in _REPLIES_BEGIN:
            raise PollError("the server does not speak the Redis protocol", PROTOCOL)
        announced = head[1:].partition(b"\r\n")[0]
        length = int(announced) if head[:1] == b"$" and announced.isdigit() else 0
        if length > self._most:
            raise PollError(too_long(length, self._most), PROTOCOL)
        return length


def _bound(
    connection: Any, most: int, credentials: Credentials, trusted: frozenset[int] | None
) -> None:
    """Have a connection, once it is made, read no reply that is longer."""
    if not hasattr(connection, "redis_connect_func"):
        return  # a stand-in for redis-py's Connection: it has no socket
    on_connect = connection.redis_connect_func

    def connected(connection: Any) -> None:
        if trusted is not None and credentials.any:
            _require_trusted(connection._sock, trusted)
        connection._sock = _Bounded(connection._sock, most, credentials)
        if on_connect is None:
            connection.on_connect()
        else:
            on_connect(connection)

    connection.redis_connect_func = connected


def _require_trusted(sock: Any, trusted: frozenset[int]) -> None:
    """Raise where a server on this machine is not a process of certain users.

    Raises:
        PollError: it is another user's, or nobody can say whose.
    """
    if sock.family != socket.AF_UNIX and not peer_uids_available():
        return  # not on this system; it was looked at when the process was found
    uids: frozenset[int] = gevent.get_hub().threadpool.apply(peer_uids, (sock,))
    if uids and uids <= trusted:
        return
    whose = f"of user {', '.join(map(str, sorted(uids)))}" if uids else "of a user unknown"
    raise PollError(
        f"user and password are not sent: the server is a process {whose}; "
        "local.trusted_users names those that may see them",
        AUTH,
    )


def _common(limits: Limits) -> dict[str, Any]:
    return {
        "client_name": CLIENT_NAME,
        # redis-py 8 would try a dead server for a minute
        "socket_connect_timeout": limits.connect_timeout,
        "socket_timeout": limits.timeout,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "retry_on_error": [],
        "protocol": 2,  # no pushes
        "decode_responses": False,
        "health_check_interval": 0,
        "socket_keepalive": True,
        **_NO_CLIENT_SETINFO,
    }


def _from_options(options: ConnectionOptions, limits: Limits, credentials: Credentials) -> Any:
    address = parse_shard_url(options.url)
    kwargs: dict[str, Any] = {"username": address.username, "password": address.password}
    connection_class: Any = redis.SSLConnection if address.tls else redis.Connection
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
    if issubclass(connection_class, redis.SSLConnection):
        kwargs["ssl_ca_certs"] = options.ca_file
        kwargs["ssl_certfile"] = options.cert_file
        kwargs["ssl_keyfile"] = options.key_file
        kwargs["ssl_check_hostname"] = options.check_hostname
    return _construct(connection_class, kwargs, limits, credentials)


def _from_pool(pool: Any, limits: Limits, credentials: Credentials) -> Any:
    # A connection of the pool's own making, but outside of it: the pool would want it back.
    kwargs = {
        name: value
        for name, value in pool.connection_kwargs.items()
        if not name.startswith(_POOL_TIES)
    }
    bounded = Limits(
        timeout=kwargs.get("socket_timeout") or limits.timeout,
        connect_timeout=kwargs.get("socket_connect_timeout") or limits.connect_timeout,
    )
    kwargs.pop("db", None)
    return _construct(pool.connection_class, kwargs, bounded, credentials)


def _construct(
    connection_class: Any, kwargs: dict[str, Any], limits: Limits, credentials: Credentials
) -> Any:
    credentials.learn(kwargs.get("username"), kwargs.get("password"))
    kwargs.update(_common(limits))
    if issubclass(connection_class, redis.UnixDomainSocketConnection):
        for name in ("socket_connect_timeout", "socket_keepalive", "host", "port"):
            kwargs.pop(name, None)
    return connection_class(**kwargs)


def _require_readable(path: str | None) -> None:
    if path is None:
        return
    try:
        with Path(path).open("rb"):
            pass
    except OSError as error:
        raise PollError(f"TLS file: {error}", TLS) from error


def _choose_variant(connection: Any, limits: Limits) -> tuple[bytes, bytes]:
    """Return the request bytes of the fullest INFO that the server answers, and that answer."""
    refusal: redis.ResponseError | None = None
    for command in INFO_VARIANTS:
        packed = connection.pack_command(*command)
        connection.send_packed_command(packed, check_health=False)
        try:
            reply = connection.read_response(disable_decoding=True)
        except (redis.exceptions.NoPermissionError, redis.exceptions.AuthenticationError):
            raise
        except redis.exceptions.BusyLoadingError:
            raise
        except redis.ResponseError as error:
            if str(error).startswith("BUSY"):
                raise
            refusal = error
            continue
        if isinstance(reply, bytes) and _is_info(reply, limits):
            request = b"".join(packed)
            return _requests.setdefault(request, request), reply
    if refusal is not None:
        raise refusal
    raise PollError("INFO has no fields", PROTOCOL)


def _is_info(reply: bytes, limits: Limits) -> bool:
    if len(reply) > limits.max_reply_bytes:
        raise PollError(too_long(len(reply), limits.max_reply_bytes), PROTOCOL)
    if too_much := size_problem(reply, limits.max_fields):
        raise PollError(too_much, PROTOCOL)
    return has_fields(reply)


def _take_over(connection: Any) -> RealSocket:
    """Take the connected socket out of a redis-py Connection, which forgets it.

    Here and in `_bound` redis-py's private `_sock` is known, and nowhere else.

    Raises:
        PollError: bytes that nobody asked for are waiting.
    """
    if connection.can_read(timeout=0):
        raise PollError("the server sent more than the reply to INFO", PROTOCOL)
    sock = connection._sock
    connection._sock = None
    if isinstance(sock, _Bounded):
        sock = sock.sock
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(0.0)  # gevent's SSLSocket then raises where it would wait
        return sock
    # A plain socket of the standard library: gevent's has two watchers of its own.
    plain: RealSocket = monkey.get_original("socket", "socket")(fileno=sock.detach())
    plain.setblocking(False)
    return plain
