"""StaticShardWatcher: shards listed by flags, a configuration file or a program."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from zinfo.discovery.shard_spec import ShardSpec
from zinfo.discovery.spec_watcher import SpecWatcher
from zinfo.loop.yielding import CooperativeYield
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard


class StaticShardWatcher(SpecWatcher):
    """Keeps a given list of shards live.

    Args:
        publisher: the registry to keep up to date.
        shards: URLs. (The daemon passes objects with more settings, which are internal.)
        shard_class: class of the shards.

    Raises:
        ValueError: a URL is invalid.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        shards: Iterable[str | ShardSpec] = (),
        *,
        shard_class: type[RedisShard] = RedisShard,
    ) -> None:
        super().__init__(publisher, shard_class=shard_class)
        self._specs = {spec.ident: spec for spec in map(_spec_of, shards)}
        self._calls = itertools.count(1)
        self._applied = 0  # number of the call of `set_shards` whose list is current

    def start(self) -> None:
        """Make the shards live."""
        self.set_shards(self._specs.values())

    def stop(self) -> None:
        """Remove the shards that this watcher added."""
        self._applied = next(self._calls)  # ends a running call of `set_shards`
        super().stop()

    def set_shards(self, shards: Iterable[str | ShardSpec]) -> None:
        """Keep exactly these shards live from now on.

        A shard whose address did not change keeps its connection and gets the new labels, tunables
        and credentials. One that other code removed from the publisher becomes live again.

        If another watcher has made an id live, that shard stays, with a warning; the one given here
        becomes live when it is removed.

        Yields to other work between two shards, so that thousands of them block nothing. A later
        call, or `stop`, ends a call that is still running.

        Args:
            shards: URLs; may be a generator, which is also read with yields.

        Raises:
            ValueError: a URL is invalid; nothing was changed.
        """
        number, yielder = next(self._calls), CooperativeYield(background=True)
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
        """Yield a function for each shard that is live or is to be live."""
        for ident in list(self._made):
            spec = specs.get(ident)
            yield partial(self.drop, ident) if spec is None else partial(self.put, ident, spec)
        for ident, spec in specs.items():
            if ident not in self._made:
                yield partial(self.put, ident, spec)


def _spec_of(shard: str | ShardSpec) -> ShardSpec:
    return ShardSpec(ConnectionOptions(url=shard)) if isinstance(shard, str) else shard
