"""SpecWatcher: a watcher that makes shards of descriptions, and changes them in place."""

from __future__ import annotations

import logging

from zinfo.discovery.shard_spec import ShardSpec
from zinfo.discovery.watcher import ShardWatcher
from zinfo.errors import ShardExistsError
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard

logger = logging.getLogger(__name__)


class SpecWatcher(ShardWatcher):
    """Keeps each shard as its newest description says.

    Args:
        publisher: the registry to keep up to date.
        shard_class: class of the shards.
    """

    def __init__(
        self, publisher: ShardPublisher, *, shard_class: type[RedisShard] = RedisShard
    ) -> None:
        super().__init__(publisher)
        self._shard_class = shard_class
        self._made: dict[str, ShardSpec] = {}  # descriptions of the shards that were added

    def stop(self) -> None:
        """Remove the shards that this watcher added."""
        self._made.clear()
        super().stop()

    def put(self, ident: str, spec: ShardSpec) -> None:
        """Make a shard live, or change it.

        A shard whose address did not change keeps its connection and gets the new labels, tunables
        and credentials. One that other code removed from the publisher becomes live again. If
        another watcher has made the id live, that shard stays, with a warning; the one described
        here becomes live when it is removed.

        Args:
            ident: id of the shard.
            spec: its description, which has the same id.
        """
        before = self._made.get(ident)
        shard = self._owned.get(ident) if self.is_live(ident) else self._claimed.get(ident)
        if before is None or shard is None or not _same_server(shard, before, spec):
            self._make(ident, spec)
        elif spec != before:
            self.set_connection(ident, spec.options)
            self.set_labels(ident, spec.labels)  # first, as it publishes only labels that differ
            spec.apply(shard, before)
            self._made[ident] = spec

    def drop(self, ident: str) -> None:
        """Remove a shard that this watcher added, or drop its claim to the id."""
        if self._made.pop(ident, None) is not None:
            self.remove(ident)

    def _make(self, ident: str, spec: ShardSpec) -> None:
        """Make a shard live, in place of the one that this watcher added before."""
        try:
            shard = spec.make(self._shard_class)
            self._made[ident] = spec
            self.replace(shard)
        except ShardExistsError:
            logger.warning("shard %s is already live, added by another watcher, and stays", ident)
        except Exception as error:  # from a user's shard class; the other shards go on
            self.publisher.report_fault(type(self).__name__, error)
            logger.exception("shard %s cannot be watched", ident)


def _same_server(shard: RedisShard, before: ShardSpec, spec: ShardSpec) -> bool:
    """Return whether a shard can take over a new description, without being replaced.

    A class of shards of the user's may connect in its own way, with the options as a start only.
    """
    if spec.options == before.options:
        return True
    return shard.redis_conn == before.options and spec.options.has_address_of(before.options)
