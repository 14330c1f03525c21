"""What is known of the sources of shards; for queries, metrics and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from zinfo.wire.slices import SliceSpec

SOURCE_LABEL = "source"
"""Label of every shard that a source lists: the name of that source."""

WAITING = "waiting"
"""State of a source that has not been read yet; it may have shards that were stored before."""

OK = "ok"
"""State of a source whose last read was successful."""

FAILED = "failed"
"""State of a source whose last read failed; its shards stay."""


class SourceStatus(NamedTuple):
    """The state of one source of shards.

    Attributes:
        name: its unique name.
        kind: its type: static, file, http, cluster, sentinel, dns, or that of a user's own.
        state: waiting, ok or failed.
        shards: number of shards that it lists now, or that stay although it no longer does.
        owned: number of those whose labels and credentials come from it.
        missing: number of those that stay although its last answer does not list them.
        held: number of those that stay because its answer would remove too many at once.
        skipped: number of candidates of its last answer that were skipped, by reason.
        notes: remarks of its last answer.
        error: why the last read failed; "" if it did not.
        failures: failed reads in a row.
        last_success: wall clock of the last successful read, in seconds since the Unix epoch; None
            before the first.
        last_duration: seconds that the last successful read took; None before the first.
        reads: successful reads since the start.
        failed_reads: failed reads since the start.
        added: shards that it added since the start.
        removed: shards that it removed since the start.
    """

    name: str
    kind: str
    state: str
    shards: int = 0
    owned: int = 0
    missing: int = 0
    held: int = 0
    skipped: Mapping[str, int] = {}
    notes: Sequence[str] = ()
    error: str = ""
    failures: int = 0
    last_success: float | None = None
    last_duration: float | None = None
    reads: int = 0
    failed_reads: int = 0
    added: int = 0
    removed: int = 0


class SourceDirectory(Protocol):
    """The sources of a daemon, as queries and metrics see them."""

    @property
    def slice(self) -> SliceSpec | None:
        """The slice of all shards that the daemon polls; None for all."""
        ...

    def source_statuses(self) -> Sequence[SourceStatus]:
        """Return the state of each source, in the order of the configuration."""
        ...

    def accept_source(self, name: str) -> int:
        """Follow the last answer of a source at once, and remove the shards that it lacks.

        Returns:
            The number of shards that are removed.

        Raises:
            KeyError: no source has this name.
        """
        ...

    def waiting_sources(self) -> Sequence[str]:
        """Return the names of the sources that have neither answered nor a stored answer."""
        ...


class NoSources:
    """The directory of a program without sources, such as a replay."""

    slice: SliceSpec | None = None

    def source_statuses(self) -> Sequence[SourceStatus]:
        """Return nothing."""
        return ()

    def accept_source(self, name: str) -> int:
        """Raise KeyError, as no source has this name."""
        raise KeyError(name)

    def waiting_sources(self) -> Sequence[str]:
        """Return nothing."""
        return ()
