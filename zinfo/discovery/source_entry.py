"""SourceEntry: a source as a configuration or a program has it."""

from __future__ import annotations

from typing import NamedTuple

from zinfo.discovery.guard import Guard
from zinfo.discovery.source import Source


class SourceEntry(NamedTuple):
    """A source, and how reluctantly its shards are removed.

    Attributes:
        source: the source; it has not been read.
        guard: the limits on the removal of its shards.
        settings: all that `source` was made of: if it is equal in a later entry with this name, the
            source that already runs goes on in its place; None differs from all others.
    """

    source: Source
    guard: Guard = Guard()
    settings: object = None
