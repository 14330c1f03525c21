"""ShardWatcher: the contract of whatever finds shards."""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypeVar

from zinfo.errors import ShardExistsError
from zinfo.loop.supervisor import Supervisor
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard

logger = logging.getLogger(__name__)

W = TypeVar("W", bound="ShardWatcher")


class ShardWatcher(abc.ABC):
    """Finds shards somewhere and keeps a publisher in step with them.

    A context manager: entering starts it, leaving stops it. Several watchers may share a publisher,
    since each removes only the shards that it added itself. Where two of them have a shard with the
    same id, the first has it live, and the other claims the id: its shard becomes live once the
    first lets go. A watcher whose source fails keeps the shards that it knew and says so in the
    log: a failing source never empties the registry.

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
        self._claimed: dict[str, RedisShard] = {}  # their ids are those of others' live shards
        self._supervisor: Supervisor | None = None

    @abc.abstractmethod
    def start(self) -> None:
        """Begin to watch; returns at once."""

    def stop(self) -> None:
        """Stop watching: end the greenlets and remove the shards that this watcher added."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
        for shard_id in [*self._claimed, *self._owned]:
            self.remove(shard_id)

    def spawn(self, run: Callable[[], None]) -> None:
        """Run `run` in a greenlet until `stop`; when it raises or returns, again after a pause.

        A poller of the same publisher counts each death in `faults` of its stats, and tells it by
        an event, `fault`.
        """
        if self._supervisor is None:
            # Its counts are the poller's to keep; a watcher by itself has the log.
            self._supervisor = Supervisor(report=self.publisher.report_fault)
        self._supervisor.spawn(type(self).__name__, run)

    @property
    def shards(self) -> dict[str, RedisShard]:
        """The shards that this watcher added, by id; the dict is the caller's own."""
        return dict(self._owned)

    def add(self, shard: RedisShard) -> None:
        """Make a shard live; it is this watcher's from now on.

        Raises:
            ShardExistsError: another shard with this id is live. This one becomes live in its place
                once that one has been removed, unless `remove` is called before.
        """
        if shard.id in self.publisher:
            if shard.id not in self._claimed:
                self.publisher.claim(shard.id, self._take_over)
            self._claimed[shard.id] = shard
            raise ShardExistsError(f"shard {shard.id} is live already")
        self._disclaim(shard.id)
        # Ours before it is live: a callback may wait, and this greenlet be killed meanwhile.
        self._owned[shard.id] = shard
        self.publisher.add_shard(shard)

    def replace(self, shard: RedisShard) -> None:
        """Make a shard live in the place of the one with its id, where this watcher added that one.

        Other watchers that have a shard with this id go on waiting. Where nothing is to be
        replaced, this is `add`.

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
        """Take out a shard that this watcher added; one that it did not add is left alone.

        Where it waits for the id, it waits no more.
        """
        self._disclaim(shard_id)
        live = self.is_live(shard_id)
        self._owned.pop(shard_id, None)
        if live:
            self.publisher.del_shard(shard_id)

    def set_labels(self, shard_id: str, labels: Mapping[str, str]) -> None:
        """Give a shard that this watcher added other labels, and announce them where they differ.

        A shard that this watcher did not add is left alone; see `ShardPublisher.set_labels`.

        Args:
            shard_id: id of the shard.
            labels: its labels from now on, in place of all that it has.
        """
        if self.is_live(shard_id):
            self.publisher.set_labels(shard_id, labels)
        elif shard_id in self._claimed:
            self._claimed[shard_id].labels = dict(labels)

    def is_live(self, shard_id: str) -> bool:
        """Return whether a shard that this watcher added is live still.

        Somebody else may have taken it out, and put another in its place.
        """
        shard = self._owned.get(shard_id)
        return shard is not None and self.publisher.find_shard(shard_id) is shard

    def _disclaim(self, shard_id: str) -> None:
        if self._claimed.pop(shard_id, None) is not None:
            self.publisher.disclaim(shard_id, self._take_over)

    def _take_over(self, shard_id: str) -> None:
        shard = self._claimed.pop(shard_id, None)
        if shard is not None:
            logger.info("shard %s is now that of %s", shard_id, type(self).__name__)
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
