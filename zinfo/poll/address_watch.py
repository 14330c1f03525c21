"""Looks the names of connected shards up again, to follow a failover that DNS announces.

The server that a name pointed to before may live on, so that its connections never end. Lookups run
in the resolver's threads; all shards of a name share them.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import socket
import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.pool

from zinfo.poll.answer_history import AnswerHistory
from zinfo.poll.poll_state import ShardPollState
from zinfo.poll.resolver import is_numeric
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.wire.addresses import parse_shard_url

logger = logging.getLogger(__name__)

_MAX_LOOKUPS = 16  # at the same time; the resolver has threads for more, which connects need
_MAX_ADDRESSES = 256  # of a name; a longer answer is an error
_JITTER = 0.1  # part of the interval by which lookups are moved at random
# Seconds between two checks which names are due: a tenth of the interval, within these limits.
_MIN_TICK, _TICK = 0.02, 1.0


class _Name:
    """A host name: its shards, each with the address that it is connected to."""

    __slots__ = ("history", "host", "shards")

    def __init__(self, host: str) -> None:
        self.host = host
        self.shards: dict[ShardPollState, str] = {}
        self.history = AnswerHistory()


class AddressWatch:
    """Reports connected shards whose host name no longer has the address of their connection.

    A lookup that fails changes nothing.

    Args:
        interval: seconds between two lookups of a name; 0 for none.
        on_lost: called with a shard, its host name and the address that the name has lost; called
            again after each lookup, until the shard is connected to another address.
        report: called with an unexpected exception.
    """

    def __init__(
        self,
        interval: float,
        on_lost: Callable[[ShardPollState, str, str], None],
        report: Callable[[BaseException], None],
    ) -> None:
        self._interval = interval
        self._on_lost = on_lost
        self._report = report
        self._names: dict[str, _Name] = {}
        self._due: list[tuple[float, int, _Name]] = []  # a heap; the number decides between equals
        self._numbers = itertools.count()
        self._failing: set[str] = set()
        self._lookups = gevent.pool.Pool(_MAX_LOOKUPS)
        self._loop: gevent.Greenlet[[], None] | None = None

    def add(self, state: ShardPollState, sock: socket.socket) -> None:
        """Watch a shard that was just connected, in place of its connection before."""
        if not self._interval:
            return
        host, address = host_name(state.shard.redis_conn), peer_address(sock)
        if not host or not address:
            return
        name = self._names.get(host)
        if name is None:
            name = self._names[host] = _Name(host)
            self._schedule(name, random.uniform(0, self._interval))
        name.shards[state] = address
        name.history.add_connected(address)
        if self._loop is None:
            self._loop = gevent.spawn(self._run)

    def remove(self, state: ShardPollState) -> None:
        """Stop watching a shard."""
        host = host_name(state.shard.redis_conn)
        name = self._names.get(host)
        if name is not None and name.shards.pop(state, "") and not name.shards:
            del self._names[host]
            self._failing.discard(host)

    def close(self) -> None:
        """Stop for good."""
        self._names.clear()
        self._lookups.kill(block=False)
        if self._loop is not None:
            self._loop.kill(block=False)

    def _schedule(self, name: _Name, delay: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + delay, next(self._numbers), name))

    def _run(self) -> None:
        while True:
            gevent.sleep(min(_TICK, max(_MIN_TICK, self._interval / 10)))
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, name = heapq.heappop(self._due)
                if self._names.get(name.host) is name:
                    self._lookups.spawn(self._check, name)  # waits while all are busy

    def _check(self, name: _Name) -> None:
        try:
            # While a shard is down, its connects look the name up.
            if any(state.connection is not None for state in name.shards):
                self._look_up(name)
        except (Exception, gevent.Timeout) as error:  # not GreenletExit, which ends it
            self._report(error)
        finally:
            self._schedule(name, self._interval * random.uniform(1 - _JITTER, 1 + _JITTER))

    def _look_up(self, name: _Name) -> None:
        try:
            # With the arguments of redis-py, so that a lookup for a connect is shared.
            found = socket.getaddrinfo(name.host, 0, 0, socket.SOCK_STREAM)
            addresses = frozenset(_plain(str(entry[4][0])) for entry in found)
            if not 0 < len(addresses) <= _MAX_ADDRESSES:
                raise OSError(f"{len(addresses)} addresses")
        except (OSError, UnicodeError) as error:
            self._on_error(name, error)
            return
        self._on_answer(name)
        name.history.add(addresses)
        for state, address in list(name.shards.items()):
            if state.connection is not None and name.history.has_lost(address):
                self._on_lost(state, name.host, address)

    def _on_error(self, name: _Name, error: Exception) -> None:
        if not self._failing:  # one line, however many names depend on the name server
            logger.warning("cannot look %s up again: %s; its connections stay", name.host, error)
        if self._names.get(name.host) is name:
            self._failing.add(name.host)

    def _on_answer(self, name: _Name) -> None:
        if name.host in self._failing:
            self._failing.remove(name.host)
            if not self._failing:
                logger.info("all host names of connected shards can be looked up again")


def host_name(redis_conn: Any) -> str:
    """Return the host name that a shard connects to; "" for an address, a socket, or if unknown.

    Args:
        redis_conn: as in `RedisShard.redis_conn`; for a callable the name is not known.
    """
    if isinstance(redis_conn, ConnectionOptions):
        host: object = parse_shard_url(redis_conn.url).host
    else:
        pool = getattr(redis_conn, "connection_pool", None)
        host = getattr(pool, "connection_kwargs", {}).get("host")
    return host if isinstance(host, str) and host and not is_numeric(host) else ""


def peer_address(sock: socket.socket) -> str:
    """Return the IP address that a socket is connected to; "" if it has none."""
    try:
        peer = sock.getpeername()
    except OSError:  # closed meanwhile
        return ""
    return _plain(str(peer[0])) if isinstance(peer, tuple) else ""


def _plain(address: str) -> str:
    """Return an IP address without its zone, which is not always written in the same way."""
    return address.partition("%")[0]
