"""StaticShardWatcher: shards listed by flags, a configuration file or a program."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from zinfo.discovery.watcher import ShardWatcher
from zinfo.errors import ShardExistsError
from zinfo.loop.yielding import CooperativeYield
from zinfo.shards.connection_options import ConnectionOptions, default_ident
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShardSpec:
    """The description of a shard; two can be compared.

    Attributes:
        options: address and credentials.
        id: id of the shard; if empty, `host:port` or the path of the Unix socket.
        labels: labels of the shard.
        tunables: attributes of RedisShard to override for this shard, by name.
    """

    options: ConnectionOptions
    id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tunables: Mapping[str, float] = field(default_factory=dict)

    @property
    def ident(self) -> str:
        """The id, or the one derived from the URL."""
        return self.id or default_ident(self.options.url)

    def make(self, shard_class: type[RedisShard] = RedisShard) -> RedisShard:
        """Return a new shard that matches the description."""
        shard = shard_class(self.ident, self.options)
        self.apply(shard)
        return shard

    def apply(self, shard: RedisShard, before: ShardSpec | None = None) -> None:
        """Set the labels and tunables of a shard to those of this description.

        Args:
            shard: the shard.
            before: the previous description, whose tunables are reset first.
        """
        shard.labels = dict(self.labels)
        for name in before.tunables if before else ():
            delattr(shard, name)  # the attribute of the class applies again
        for name, value in self.tunables.items():
            setattr(shard, name, value)


class StaticShardWatcher(ShardWatcher):
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
        super().__init__(publisher)
        self._shard_class = shard_class
        self._specs = {spec.ident: spec for spec in map(_spec_of, shards)}
        self._made: dict[str, ShardSpec] = {}  # descriptions of the shards that were added
        self._calls = itertools.count(1)
        self._applied = 0  # number of the call of `set_shards` whose list is current

    def start(self) -> None:
        """Make the shards live."""
        self.set_shards(self._specs.values())

    def stop(self) -> None:
        """Remove the shards that this watcher added."""
        self._applied = next(self._calls)  # ends a running call of `set_shards`
        self._made.clear()
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
        """Yield a function for each shard that is live or is to be live."""
        for ident, before in list(self._made.items()):
            yield partial(self._update, ident, before, specs.get(ident))
        for ident, spec in specs.items():
            if ident not in self._made:
                yield partial(self._put, ident, spec)

    def _update(self, ident: str, before: ShardSpec, spec: ShardSpec | None) -> None:
        """Apply a new description to a shard that this watcher added; None removes it."""
        shard = self._owned.get(ident) if self.is_live(ident) else self._claimed.get(ident)
        if spec is None:
            del self._made[ident]
            self.remove(ident)
        elif shard is None or not _same_server(shard, before, spec):
            self._put(ident, spec)
        elif spec != before:
            self.set_connection(ident, spec.options)
            self.set_labels(ident, spec.labels)  # first, as it publishes only labels that differ
            spec.apply(shard, before)
            self._made[ident] = spec

    def _put(self, ident: str, spec: ShardSpec) -> None:
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


def _spec_of(shard: str | ShardSpec) -> ShardSpec:
    return ShardSpec(ConnectionOptions(url=shard)) if isinstance(shard, str) else shard
