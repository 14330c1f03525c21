"""The registry of live shards and its notifications."""

from __future__ import annotations

import enum
import logging
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from zinfo.errors import ShardExistsError, UnknownShardError
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.followed_rows import FollowedRows
from zinfo.shards.shard import RedisShard
from zinfo.wire import lifecycle

logger = logging.getLogger(__name__)

ShardCallback = Callable[[RedisShard], object]
FreeCallback = Callable[[str], object]
FaultCallback = Callable[[str, BaseException], object]


class ShardEvent(enum.Enum):
    """The notifications of the registry."""

    ADDED = lifecycle.ADDED
    """A shard became live."""
    REMOVED = lifecycle.REMOVED
    """A shard is no longer live."""
    LABELS_CHANGED = lifecycle.LABELS_CHANGED
    """The labels of a live shard changed."""
    CONNECTION_CHANGED = "connection_changed"
    """The connection options of a live shard changed, but not its address. Clients get no event."""


class ShardPublisher:
    """The registry of live shards; notifies subscribers of added, removed and changed shards.

    A shard is live from `add_shard` to `del_shard`. Watchers call both; a poller of the same
    publisher polls all live shards. A process may have any number of publishers. A publisher is not
    thread-safe: use it from one thread.
    """

    def __init__(self) -> None:
        self._shards: dict[str, RedisShard] = {}
        self._ids: list[str] = []  # sorted
        self._sorted: tuple[str, ...] | None = None  # copy of _ids; None after a change
        self._callbacks: dict[ShardEvent, list[ShardCallback]] = {kind: [] for kind in ShardEvent}
        self._fault_callbacks: list[FaultCallback] = []
        self._claims: dict[str, list[FreeCallback]] = {}  # by shard id
        self.rows = FollowedRows()  #: the fields of live shards that clients request repeatedly
        self.changes = 0  #: number of shards added and removed, and of changes of labels
        self.callback_errors = 0  #: number of exceptions that subscribers raised

    def add_shard(self, shard: RedisShard) -> None:
        """Make a shard live and notify the ADDED subscribers.

        Args:
            shard: the shard.

        Raises:
            ShardExistsError: a shard with this id is live already.
        """
        if shard.id in self._shards:
            raise ShardExistsError(f"shard {shard.id} is live already")
        self._shards[shard.id] = shard
        shard.join(self.rows)
        self.changes += 1
        insort(self._ids, shard.id)
        self._sorted = None
        self._notify(ShardEvent.ADDED, shard)

    def del_shard(self, shard_id: str) -> None:
        """Remove a shard, notify the REMOVED subscribers, and offer its id to those claiming it.

        Args:
            shard_id: id of a live shard.

        Raises:
            UnknownShardError: no such shard is live (a KeyError).
        """
        shard = self.get_shard(shard_id)
        self._forget(shard)
        self._notify(ShardEvent.REMOVED, shard)
        self._offer(shard_id)

    def replace_shard(self, shard: RedisShard) -> None:
        """Replace the live shard with the same id: REMOVED for that shard, then ADDED.

        Claims to the id remain.

        Raises:
            UnknownShardError: no shard with this id is live (a KeyError).
        """
        before = self.get_shard(shard.id)
        self._forget(before)
        self._notify(ShardEvent.REMOVED, before)
        self.add_shard(shard)

    def claim(self, shard_id: str, callback: FreeCallback) -> None:
        """Call `callback(shard_id)` once, as soon as no shard with this id is live.

        Several claims to an id are called in order until one of them has made a shard live.
        """
        self._claims.setdefault(shard_id, []).append(callback)

    def disclaim(self, shard_id: str, callback: FreeCallback) -> None:
        """Withdraw a claim; an unknown one is ignored."""
        waiting = self._claims.get(shard_id, [])
        if callback in waiting:
            waiting.remove(callback)
        if not waiting:
            self._claims.pop(shard_id, None)

    def set_labels(self, shard_id: str, labels: Mapping[str, str]) -> None:
        """Replace the labels of a live shard, and notify LABELS_CHANGED subscribers if they differ.

        This is the way to change the labels of a live shard: a poller of this publisher emits a
        `labels_changed` event, which updates each Mirror. Labels written to `shard.labels` directly
        are visible to queries, but to no Mirror.

        Args:
            shard_id: id of the shard.
            labels: its new labels; they replace all present ones.

        Raises:
            UnknownShardError: no such shard is live (a KeyError).
        """
        shard = self.get_shard(shard_id)
        if shard.labels != labels:
            shard.labels = dict(labels)
            self.changes += 1
            self._notify(ShardEvent.LABELS_CHANGED, shard)

    def set_connection(self, shard_id: str, options: ConnectionOptions) -> None:
        """Replace the connection options of a live shard, but not its address.

        Notifies CONNECTION_CHANGED subscribers if they differ. A poller of this publisher leaves an
        established connection open, and uses the new credentials and files for the next one. It
        makes a new connection at the next poll if the sections of INFO, or the options that decide
        which server is accepted (`tls_verify`, `check_hostname`, `tls_server_name`), have changed.
        A shard that is down is tried again at once.

        Args:
            shard_id: id of a live shard that was made from a URL.
            options: its new options; see `ConnectionOptions.has_address_of`.

        Raises:
            UnknownShardError: no such shard is live (a KeyError).
            ValueError: they have another address, or the shard was not made from a URL: such a
                shard has to be replaced.
        """
        shard = self.get_shard(shard_id)
        if not options.has_address_of(shard.redis_conn):
            raise ValueError(f"shard {shard_id} has another address: replace the shard")
        if shard.redis_conn != options:
            shard.redis_conn = options
            self._notify(ShardEvent.CONNECTION_CHANGED, shard)

    def get_shard(self, shard_id: str) -> RedisShard:
        """Return a live shard.

        Raises:
            UnknownShardError: no such shard is live (a KeyError).
        """
        shard = self._shards.get(shard_id)
        if shard is None:
            raise UnknownShardError(f"shard {shard_id} not found")
        return shard

    def find_shard(self, shard_id: str) -> RedisShard | None:
        """Return a live shard, or None if no such shard is live."""
        return self._shards.get(shard_id)

    def find_shards(self, shard_ids: Iterable[str]) -> list[RedisShard | None]:
        """Return the live shards with these ids, with None in place of those that are not live."""
        return list(map(self._shards.get, shard_ids))

    def get_live_shards(self) -> list[RedisShard]:
        """Return a new list of the live shards, in the order in which they were added."""
        return list(self._shards.values())

    def count_states(self) -> dict[str, int]:
        """Return the number of live shards by state, without states that no shard is in."""
        return dict(Counter(shard.state._value_ for shard in self._shards.values()))

    def get_live_shard_ids(self) -> set[str]:
        """Return a new set of the ids of the live shards."""
        return set(self._shards)

    def sorted_shard_ids(self) -> tuple[str, ...]:
        """Return the ids of the live shards, sorted."""
        if self._sorted is None:
            self._sorted = tuple(self._ids)
        return self._sorted

    def clear_shards(self) -> None:
        """Remove every shard, with a REMOVED for each; claims remain."""
        while self._shards:  # a callback may add or remove shards
            shard = next(iter(self._shards.values()))
            self._forget(shard)
            self._notify(ShardEvent.REMOVED, shard)

    def subscribe_shard_event(self, event: ShardEvent, callback: ShardCallback) -> None:
        """Call `callback(shard)` for each later event of this kind.

        An exception of a callback is logged and counted; the other callbacks are still called.
        """
        self._callbacks[ShardEvent(event)].append(callback)

    def unsub_shard_event(self, event: ShardEvent, callback: ShardCallback) -> None:
        """Stop calling `callback`; an unknown one is ignored."""
        callbacks = self._callbacks[ShardEvent(event)]
        if callback in callbacks:
            callbacks.remove(callback)

    def report_fault(self, part: str, error: BaseException) -> None:
        """Notify subscribers of faults that a component, such as a watcher, failed and continues.

        Args:
            part: name of the component.
            error: an unexpected exception, which is logged already.
        """
        for callback in self._fault_callbacks:
            callback(part, error)

    def subscribe_faults(self, callback: FaultCallback) -> None:
        """Call `callback(part, error)` for each later fault; it must not raise."""
        self._fault_callbacks.append(callback)

    def unsub_faults(self, callback: FaultCallback) -> None:
        """Stop calling `callback`; an unknown one is ignored."""
        if callback in self._fault_callbacks:
            self._fault_callbacks.remove(callback)

    def __len__(self) -> int:
        return len(self._shards)

    def __contains__(self, shard_id: object) -> bool:
        return shard_id in self._shards

    def _forget(self, shard: RedisShard) -> None:
        del self._shards[shard.id]
        shard.leave(self.rows)
        self.changes += 1
        del self._ids[bisect_left(self._ids, shard.id)]
        self._sorted = None

    def _offer(self, shard_id: str) -> None:
        """Call the claims to an id until one has made a shard live."""
        while shard_id not in self._shards and (waiting := self._claims.get(shard_id)):
            callback = waiting[0]
            self.disclaim(shard_id, callback)
            try:
                callback(shard_id)
            except Exception:
                self.callback_errors += 1
                logger.exception("a claim to the id of shard %s failed", shard_id)

    def _notify(self, event: ShardEvent, shard: RedisShard) -> None:
        ended: BaseException | None = None
        for callback in list(self._callbacks[event]):
            try:
                callback(shard)
            except Exception:
                self.callback_errors += 1
                logger.exception("a subscriber failed on %s of shard %s", event.value, shard.id)
            except BaseException as error:  # such as a gevent.Timeout or GreenletExit of the caller
                ended = ended or error
        if ended is not None:  # raised last: the other subscribers must not miss a shard
            raise ended
