"""Connects a shard to the new address of its host name, while its connection stays open.

No poll is missed, and a new server that does not reply costs nothing: the old connection stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from zinfo.poll.address_watch import AddressWatch, peer_address
from zinfo.poll.connect_pool import ConnectPool
from zinfo.poll.errors import DNS, PollError
from zinfo.poll.handshake import HandshakeResult
from zinfo.poll.poll_state import PollConnection, ShardPollState
from zinfo.poll.shard_connector import connect_within_fd_limit

_MAX_MOVING = 8  # shards that are connected to a new address at the same time


class _Move(NamedTuple):
    """A shard, its host name, and the address that the name has lost."""

    state: ShardPollState
    host: str
    address: str


class Moved(NamedTuple):
    """A new connection of a shard.

    Attributes:
        result: of the handshake.
        started_at: monotonic clock at the start of the handshake.
        cause: the lost address, and the new one.
    """

    result: HandshakeResult
    started_at: float
    cause: PollError


class AddressFollower:
    """Watches the addresses of connected shards, and connects those whose address has changed.

    Args:
        interval: seconds between two lookups of a host name; 0 for none.
        on_moved: called with a shard and its new connection; the old one is still open.
        on_error: called with a shard whose new connection failed, and the error; repeated at each
            lookup.
        report: called with an unexpected exception.
    """

    def __init__(
        self,
        interval: float,
        on_moved: Callable[[ShardPollState, Moved], None],
        on_error: Callable[[ShardPollState, PollError], None],
        report: Callable[[BaseException], None],
    ) -> None:
        self._on_moved = on_moved
        self._on_error = on_error
        self._watch = AddressWatch(interval, self._on_lost, report)
        self._moving: set[ShardPollState] = set()
        self._pool: ConnectPool[_Move] = ConnectPool(
            self._connect, _MAX_MOVING, lambda _move, error: report(error)
        )

    def add(self, state: ShardPollState, result: HandshakeResult) -> None:
        """Follow the address of a shard that was just connected."""
        self._watch.add(state, result.sock)

    def remove(self, state: ShardPollState) -> None:
        """Follow the address of a shard no longer."""
        self._watch.remove(state)

    def close(self) -> None:
        """Stop for good."""
        self._watch.close()
        self._pool.close()

    def _on_lost(self, state: ShardPollState, host: str, address: str) -> None:
        if state not in self._moving:
            self._moving.add(state)
            self._pool.add(_Move(state, host, address))

    def _connect(self, move: _Move) -> None:
        state, started_at = move.state, time.monotonic()
        connection = state.connection
        try:
            if connection is None or state.removed:
                return
            result = connect_within_fd_limit(state)
            if isinstance(result, HandshakeResult):
                self._finish(move, connection, result, started_at)
        except PollError as error:
            problem = f"a new connection failed ({error.message}), the old one stays"
            self._on_error(state, PollError(f"{_lost(move)}; {problem}", DNS))
        finally:
            self._moving.discard(state)

    def _finish(
        self, move: _Move, connection: PollConnection, result: HandshakeResult, started_at: float
    ) -> None:
        state, address = move.state, peer_address(result.sock)
        # The old connection may have ended meanwhile, and the shard may be connected again.
        if state.removed or state.connection is not connection:
            result.sock.close()
        elif address == move.address:  # the name has it again: its answers vary
            self.add(state, result)
            result.sock.close()
        else:
            cause = PollError(f"{_lost(move)}, but {address}", DNS)
            self._on_moved(state, Moved(result, started_at, cause))


def _lost(move: _Move) -> str:
    return f"{move.host} no longer has the address {move.address}"
