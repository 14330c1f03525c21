"""ShardWatcher: the base class of everything that discovers shards."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypeVar

from zinfo.errors import ShardExistsError
from zinfo.loop.supervisor import Supervisor
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard

logger = logging.getLogger(__name__)

W = TypeVar("W", bound="ShardWatcher")


class ShardWatcher(abc.ABC):
    """Discovers shards and keeps a publisher up to date with them.

    A context manager: entering starts it, leaving stops it. Several watchers may share a publisher,
    since each removes only the shards that it added itself. If two of them add a shard with the
    same id, the first one's is live and the other claims the id: its shard becomes live as soon as
    the first is removed. A watcher whose source fails keeps its shards and logs the failure, so
    that a failing source never empties the registry.

    Start greenlets with `spawn`: an unexpected exception in them is logged, counted and published,
    and the greenlet is restarted.

    A subclass implements `start`, calls `add` and `remove` as shards appear and disappear, and
    overrides `stop` if it has resources to release; that `stop` ends with `super().stop()`.

    Args:
        publisher: the registry to keep up to date.
    """

    def __init__(self, publisher: ShardPublisher) -> None:
        self.publisher = publisher
        self._owned: dict[str, RedisShard] = {}
        self._claimed: dict[str, RedisShard] = {}  # their ids are live shards of other watchers
        self._supervisor: Supervisor | None = None

    @abc.abstractmethod
    def start(self) -> None:
        """Start watching; returns at once."""

    def stop(self) -> None:
        """Stop watching: kill the greenlets and remove the shards that this watcher added."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
        for shard_id in [*self._claimed, *self._owned]:
            self.remove(shard_id)

    def spawn(self, run: Callable[[], None]) -> None:
        """Run `run` in a greenlet until `stop`; restart it when it raises or returns.

        A poller of the same publisher counts each crash in `faults` of its stats and emits an event
        `fault`.
        """
        if self._supervisor is None:
            self._supervisor = Supervisor(report=self.publisher.report_fault)
        self._supervisor.spawn(type(self).__name__, run)

    @property
    def shards(self) -> dict[str, RedisShard]:
        """The shards that this watcher added, by id; a copy."""
        return dict(self._owned)

    def add(self, shard: RedisShard) -> None:
        """Make a shard live; from then on it belongs to this watcher.

        Raises:
            ShardExistsError: another shard with this id is live. The new one becomes live when that
                one is removed, unless `remove` is called before.
        """
        if shard.id in self.publisher:
            if shard.id not in self._claimed:
                self.publisher.claim(shard.id, self._on_id_free)
            self._claimed[shard.id] = shard
            raise ShardExistsError(f"shard {shard.id} is live already")
        self._disclaim(shard.id)
        # Before it is live: a callback may switch, and this greenlet may be killed meanwhile.
        self._owned[shard.id] = shard
        self.publisher.add_shard(shard)

    def replace(self, shard: RedisShard) -> None:
        """Replace the live shard with the same id, if this watcher added it.

        Claims of other watchers to the id stay. If there is nothing to replace, this is `add`.

        Raises:
            ShardExistsError: as for `add`.
        """
        if not self.is_live(shard.id):
            self._owned.pop(shard.id, None)
            self.add(shard)
            return
        self._owned[shard.id] = shard
        self.publisher.replace_shard(shard)

    def remove(self, shard_id: str) -> None:
        """Remove a shard that this watcher added, and drop its claim to the id.

        A shard that it did not add stays.
        """
        self._disclaim(shard_id)
        live = self.is_live(shard_id)
        self._owned.pop(shard_id, None)
        if live:
            self.publisher.del_shard(shard_id)

    def set_labels(self, shard_id: str, labels: Mapping[str, str]) -> None:
        """Replace the labels of a shard that this watcher added; publish them if they differ.

        A shard that it did not add stays as it is; see `ShardPublisher.set_labels`.

        Args:
            shard_id: id of the shard.
            labels: all labels that the shard is to have.
        """
        if self.is_live(shard_id):
            self.publisher.set_labels(shard_id, labels)
        elif shard_id in self._claimed:
            self._claimed[shard_id].labels = dict(labels)

    def set_connection(self, shard_id: str, options: ConnectionOptions) -> None:
        """Replace the connection options of a shard that this watcher added, but not its address.

        A shard that it did not add stays as it is; see `ShardPublisher.set_connection`.

        Args:
            shard_id: id of the shard.
            options: its new options.

        Raises:
            ValueError: they have another address, or the shard was not made from a URL.
        """
        if self.is_live(shard_id):
            self.publisher.set_connection(shard_id, options)
        elif (claimed := self._claimed.get(shard_id)) is not None:
            if not options.has_address_of(claimed.redis_conn):
                raise ValueError(f"shard {shard_id} has another address: replace the shard")
            claimed.redis_conn = options

    def is_live(self, shard_id: str) -> bool:
        """Return whether a shard that this watcher added is still live.

        Other code may have removed it from the publisher, or replaced it.
        """
        shard = self._owned.get(shard_id)
        return shard is not None and self.publisher.find_shard(shard_id) is shard

    def _disclaim(self, shard_id: str) -> None:
        if self._claimed.pop(shard_id, None) is not None:
            self.publisher.disclaim(shard_id, self._on_id_free)

    def _on_id_free(self, shard_id: str) -> None:
        shard = self._claimed.pop(shard_id, None)
        if shard is not None:
            logger.info("shard %s now belongs to %s", shard_id, type(self).__name__)
            self.add(shard)

    def __enter__(self: W) -> W:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
