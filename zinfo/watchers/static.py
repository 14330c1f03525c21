"""StaticShardWatcher: shards that are named, by flags, a configuration or a program."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from zinfo.connection_options import ConnectionOptions, default_ident
from zinfo.errors import ShardExistsError
from zinfo.shard import RedisShard
from zinfo.shard_publisher import ShardPublisher
from zinfo.watchers.base import ShardWatcher

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShardSpec:
    """A named shard: what makes it, so that two can be compared.

    Attributes:
        options: address and credentials.
        id: id of the shard; `host:port` or the socket's path where empty.
        labels: labels of the shard.
        tunables: class attributes of RedisShard to change for this shard, by name.
    """

    options: ConnectionOptions
    id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tunables: Mapping[str, float] = field(default_factory=dict)

    @property
    def ident(self) -> str:
        """The id, or what the URL gives as one."""
        return self.id or default_ident(self.options.url)

    def make(self, shard_class: type[RedisShard] = RedisShard) -> RedisShard:
        """Return a new shard as described."""
        shard = shard_class(self.ident, self.options)
        self.apply(shard)
        return shard

    def apply(self, shard: RedisShard, before: ShardSpec | None = None) -> None:
        """Give a shard the labels and tunables of this description.

        Args:
            shard: the shard.
            before: the description that it had; tunables that only this one has are taken back.
        """
        shard.labels = dict(self.labels)
        for name in before.tunables if before else ():
            delattr(shard, name)  # the class's own value shows again
        for name, value in self.tunables.items():
            setattr(shard, name, value)


class StaticShardWatcher(ShardWatcher):
    """Keeps a given list of shards live.

    Args:
        publisher: the registry to keep in step.
        shards: URLs or `ShardSpec`s.
        shard_class: made for each.

    Raises:
        ValueError: a URL that is none.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        shards: Iterable[str | ShardSpec] = (),
        *,
        shard_class: type[RedisShard] = RedisShard,
    ) -> None:
        super().__init__(publisher)
        self._shard_class = shard_class
        self._specs = _by_id(shards)
        self._live: dict[str, ShardSpec] = {}

    def start(self) -> None:
        """Make the shards live."""
        self.set_shards(self._specs.values())

    def stop(self) -> None:
        """Take out the shards that this watcher added."""
        self._live.clear()
        super().stop()

    def set_shards(self, shards: Iterable[str | ShardSpec]) -> None:
        """Keep these shards live from now on.

        Those whose address and credentials are as before keep their connections; new labels and
        tunables are given to the shard as it is.

        A shard whose id another watcher has made live is left to it, with a warning.

        Raises:
            ValueError: a URL that is none; nothing was changed.
        """
        self._specs = _by_id(shards)
        for ident, before in list(self._live.items()):
            spec = self._specs.get(ident)
            if spec is None or spec.options != before.options:
                del self._live[ident]
                self.remove(ident)
            elif spec != before:
                self.set_labels(ident, spec.labels)  # before they are there: followers are told
                spec.apply(self._owned[ident], before)
                self._live[ident] = spec
        for ident, spec in self._specs.items():
            if ident not in self._live:
                self._try_add(ident, spec)

    def _try_add(self, ident: str, spec: ShardSpec) -> None:
        try:
            self.add(spec.make(self._shard_class))
        except ShardExistsError:
            logger.warning("shard %s is live already, from another watcher: left as is", ident)
        except Exception as error:  # a shard class of somebody else's: the others shall have theirs
            self.publisher.report_fault(type(self).__name__, error)
            logger.exception("shard %s cannot be watched", ident)
        else:
            self._live[ident] = spec


def _by_id(shards: Iterable[str | ShardSpec]) -> dict[str, ShardSpec]:
    specs = [
        ShardSpec(ConnectionOptions(url=shard)) if isinstance(shard, str) else shard
        for shard in shards
    ]
    return {spec.ident: spec for spec in specs}
