"""SourceWatcher: the base class of a program's own source of shards."""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Mapping
from typing import Any

from zinfo.discovery.answer_builder import MAX_REASONS, OTHER_REASONS
from zinfo.discovery.discovery import Discovery
from zinfo.discovery.guard import Guard
from zinfo.discovery.shard_spec import ShardSpec, SpecAnswer
from zinfo.discovery.source import Source
from zinfo.discovery.source_entry import SourceEntry
from zinfo.discovery.target import Answer, Target
from zinfo.loop.yielding import CooperativeYield
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.wire.slices import SliceSpec


class SourceWatcher(Discovery):
    """Keeps live what `read` returns, and does not trust it when it forgets servers.

    A subclass implements `read`. It is called again and again, in a greenlet of its own:

    - If it raises, all shards stay. Raise `zinfo.errors.SourceError` for what is expected to fail,
      such as a connection: it is logged once, until `read` succeeds again. Any other exception is
      also counted and published as a fault.
    - A shard that it returns is live at once, and gets new labels and credentials without a new
      connection.
    - A shard that it no longer returns is removed as `Guard` says: not after one answer, and not
      while more than half of the shards that reply would go.
    - A URL that cannot be used is skipped; the others are not affected.

    Args:
        publisher: the registry to keep up to date.
        name: name of the source, for log messages and events; the name of the class if empty.
        interval: seconds from the end of a read to the start of the next.
        guard: how reluctantly shards are removed; None for the defaults.
        events: takes the events source_failed, source_recovered and source_held.
        slice_spec: the slice of all shards that become live; None for all.
        shard_class: class of the shards.
        **options: options of all connections, as for `RedisShard`: username, password_file, ...

    Raises:
        TypeError: there is no such option.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        *,
        name: str = "",
        interval: float = 5.0,
        guard: Guard | None = None,
        events: EventLog | None = None,
        slice_spec: SliceSpec | None = None,
        shard_class: type[RedisShard] = RedisShard,
        **options: Any,
    ) -> None:
        ConnectionOptions(url="redis://localhost", **options)  # raises now, not at the first read
        source = _ReadMethod(name or type(self).__name__, interval, self, options)
        entry = SourceEntry(source, guard or Guard())
        super().__init__(
            publisher, [entry], events=events, slice_spec=slice_spec, shard_class=shard_class
        )

    @abc.abstractmethod
    def read(self) -> Mapping[str, str | Target] | None:
        """Return the URLs of the shards, or their `Target` objects, by shard id.

        It may wait, with sockets that gevent has patched, but must not compute for long.

        Returns:
            All shards that the source lists now; None if they are the same as at the last read.

        Raises:
            SourceError: the source cannot be read.
        """

    def accept(self) -> int:
        """Remove the shards at once that the last answer lacks, also those that are held.

        Returns:
            The number of shards that are removed.
        """
        return sum(self.accept_source(state.name) for state in self._sources)


class _ReadMethod(Source):
    """Calls the `read` of a watcher."""

    kind = "own"

    def __init__(
        self, name: str, interval: float, watcher: SourceWatcher, options: Mapping[str, Any]
    ) -> None:
        super().__init__(name, interval)
        self._watcher = watcher
        self._options = options

    def read(self) -> Answer | None:
        listed = self._watcher.read()
        if listed is None:
            return None
        specs: dict[str, ShardSpec] = {}
        skipped: Counter[str] = Counter()
        yielder = CooperativeYield(background=True)
        for shard_id, target in listed.items():
            try:
                specs[str(shard_id)] = self._describe(str(shard_id), target)
            except ValueError as error:
                known = str(error) in skipped or len(skipped) < MAX_REASONS
                skipped[str(error) if known else OTHER_REASONS] += 1
            yielder.maybe_yield()
        return SpecAnswer({}, skipped=skipped, specs=specs)

    def _describe(self, shard_id: str, target: str | Target) -> ShardSpec:
        if isinstance(target, str):
            target = Target(target, {})
        if target.credentials:
            raise ValueError("named credentials belong to the sources of a configuration")
        options = ConnectionOptions(url=target.url, **self._options)
        return ShardSpec(options, id=shard_id, labels=target.labels)
