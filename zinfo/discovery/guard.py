"""Guard: how reluctantly shards are removed that a source no longer lists."""

from __future__ import annotations

from typing import NamedTuple


class Guard(NamedTuple):
    """The limits on the removal of shards, for one source.

    Attributes:
        misses: successful reads in a row that must not list a shard before it may be removed.
        hold: seconds for which a shard stays beyond that, unless the poller finds it down.
        max_removed: greatest part of a source's answering shards that one answer may remove.
        release: seconds after which an answer that removes more is followed all the same.
    """

    misses: int = 2
    hold: float = 30.0
    max_removed: float = 0.5
    release: float = 900.0
