"""ShardWatcher: the contract of whatever finds shards."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypeVar

from zinfo.errors import ShardExistsError
from zinfo.shard import RedisShard
from zinfo.shard_publisher import ShardPublisher
from zinfo.stats import Stats
from zinfo.supervisor import Supervisor

logger = logging.getLogger(__name__)

W = TypeVar("W", bound="ShardWatcher")


class ShardWatcher(abc.ABC):
    """Finds shards somewhere and keeps a publisher in step with them.

    A context manager: entering starts it, leaving stops it. Several watchers may share a publisher,
    since each removes only the shards that it added itself. A watcher whose source fails keeps the
    shards that it knew and says so in the log: a failing source never empties the registry.

    What runs in a greenlet is begun with `spawn`: there an unexpected exception is logged, counted
    and told, and the greenlet runs again.

    A subclass implements `start` (and calls `add` and `remove` as shards come and go) and, where it
    has something to end, `stop`, which it ends with `super().stop()`.

    Args:
        publisher: the registry to keep in step.
    """

    def __init__(self, publisher: ShardPublisher) -> None:
        self.publisher = publisher
        self._owned: dict[str, RedisShard] = {}
        self._supervisor: Supervisor | None = None

    @abc.abstractmethod
    def start(self) -> None:
        """Begin to watch; returns at once."""

    def stop(self) -> None:
        """Stop watching: end the greenlets and remove the shards that this watcher added."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
        for shard_id in list(self._owned):
            self.remove(shard_id)

    def spawn(self, run: Callable[[], None]) -> None:
        """Run `run` in a greenlet until `stop`; when it raises or returns, again after a pause.

        A poller of the same publisher counts each death in `faults` of its stats, and tells it by
        an event, `fault`.
        """
        if self._supervisor is None:
            # Its counts are the poller's to keep; a watcher by itself has the log.
            self._supervisor = Supervisor(Stats(), report=self.publisher.report_fault)
        self._supervisor.spawn(type(self).__name__, run)

    @property
    def shards(self) -> dict[str, RedisShard]:
        """The shards that this watcher added, by id; the dict is the caller's own."""
        return dict(self._owned)

    def add(self, shard: RedisShard) -> None:
        """Make a shard live; it is this watcher's from now on.

        Raises:
            ShardExistsError: another shard with this id is live; nothing was changed.
        """
        if shard.id in self.publisher:
            raise ShardExistsError(f"shard {shard.id} is live already")
        # Ours before it is live: a callback may wait, and this greenlet be killed meanwhile.
        self._owned[shard.id] = shard
        self.publisher.add_shard(shard)

    def remove(self, shard_id: str) -> None:
        """Take out a shard that this watcher added; one that it did not add is left alone."""
        shard = self._owned.pop(shard_id, None)
        # Somebody may have taken it out and put another in its place: that one is not ours.
        if shard is not None and self.publisher.find_shard(shard_id) is shard:
            self.publisher.del_shard(shard_id)

    def set_labels(self, shard_id: str, labels: Mapping[str, str]) -> None:
        """Give a shard that this watcher added other labels, and announce them where they differ.

        A shard that this watcher did not add is left alone; see `ShardPublisher.set_labels`.

        Args:
            shard_id: id of the shard.
            labels: its labels from now on, in place of all that it has.
        """
        shard = self._owned.get(shard_id)
        if shard is not None and self.publisher.find_shard(shard_id) is shard:
            self.publisher.set_labels(shard_id, labels)

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
