"""ShardSpec: the description of a shard, from which it is made and changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zinfo.discovery.target import Answer
from zinfo.shards.connection_options import ConnectionOptions, default_ident
from zinfo.shards.shard import RedisShard


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


@dataclass(frozen=True, slots=True)
class SpecAnswer(Answer):
    """The answer of a source that describes its shards completely, itself; it has no targets.

    Attributes:
        specs: the descriptions by shard id.
    """

    specs: Mapping[str, ShardSpec] = field(default_factory=dict)
