"""StaticShardWatcher: shards that are named, by flags, a configuration or a program."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from zinfo.errors import ShardExistsError
from zinfo.loop.yielding import CooperativeYield
from zinfo.shards.connection_options import ConnectionOptions, default_ident
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
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
        self._specs = {spec.ident: spec for spec in map(_spec_of, shards)}
        self._made: dict[str, ShardSpec] = {}  # what the shards of this watcher were made of
        self._calls = itertools.count(1)
        self._applied = 0  # number of the call whose list is the present one

    def start(self) -> None:
        """Make the shards live."""
        self.set_shards(self._specs.values())

    def stop(self) -> None:
        """Take out the shards that this watcher added."""
        self._applied = next(self._calls)  # a call that is under way changes nothing any more
        self._made.clear()
        super().stop()

    def set_shards(self, shards: Iterable[str | ShardSpec]) -> None:
        """Keep these shards live from now on.

        Those whose address and credentials are as before keep their connections; new labels and
        tunables are given to the shard as it is. One that somebody else has taken out of the
        publisher comes back.

        A shard whose id another watcher has made live is left to it, with a warning, and becomes
        live once that watcher lets go.

        Other work has its turn in between, so thousands of shards hold nothing up. The list of the
        latest call, or `stop`, wins over one that is still being made live.

        Args:
            shards: URLs or `ShardSpec`s; may be a generator, which is read in turns as well.

        Raises:
            ValueError: a URL that is none; nothing was changed.
        """
        number, yielder = next(self._calls), CooperativeYield()
        specs: dict[str, ShardSpec] = {}
        for spec in map(_spec_of, shards):
            specs[spec.ident] = spec
            yielder.maybe_yield()
        if number < self._applied:
            return
        self._applied, self._specs = number, specs
        for change in self._changes(specs):
            change()
            yielder.maybe_yield()
            if number != self._applied:
                return

    def _changes(self, specs: Mapping[str, ShardSpec]) -> Iterator[Callable[[], None]]:
        """Yield a step for each shard that is live, or to be live."""
        for ident, before in list(self._made.items()):
            yield partial(self._keep, ident, before, specs.get(ident))
        for ident, spec in specs.items():
            if ident not in self._made:
                yield partial(self._put, ident, spec)

    def _keep(self, ident: str, before: ShardSpec, spec: ShardSpec | None) -> None:
        """Bring a shard that this watcher has made in step with its new description."""
        shard = self._owned.get(ident) if self.is_live(ident) else self._claimed.get(ident)
        if spec is None:
            del self._made[ident]
            self.remove(ident)
        elif shard is None or spec.options != before.options:
            self._put(ident, spec)
        elif spec != before:
            self.set_labels(ident, spec.labels)  # before they are there: followers are told
            spec.apply(shard, before)
            self._made[ident] = spec

    def _put(self, ident: str, spec: ShardSpec) -> None:
        """Make a shard live as described, in the place of the one that this watcher has there."""
        try:
            shard = spec.make(self._shard_class)
            self._made[ident] = spec
            self.replace(shard)
        except ShardExistsError:
            logger.warning("shard %s is live already, from another watcher: left as is", ident)
        except Exception as error:  # a shard class of somebody else's: the others shall have theirs
            self.publisher.report_fault(type(self).__name__, error)
            logger.exception("shard %s cannot be watched", ident)


def _spec_of(shard: str | ShardSpec) -> ShardSpec:
    return ShardSpec(ConnectionOptions(url=shard)) if isinstance(shard, str) else shard
