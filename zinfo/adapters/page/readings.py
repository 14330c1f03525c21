"""What the table of a page is made from: one reading of all its shards. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from zinfo.security.rights import Rights
from zinfo.wire.column_pages import ColumnPart

YieldPoint: TypeAlias = Callable[[], None]
"""Called repeatedly during long work; may yield to the event loop."""

_Item = TypeVar("_Item")

_BATCH = 256  # items handled between two yield points

_NO_LABELS: Mapping[str, str] = {}

NEVER = 0.0
"""Time of the newest INFO of a shard that has none."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a page requested. Pages with equal selections get the same messages.

    Attributes:
        keys: names of fields of INFO, sorted.
        labels: names and values of labels that a shard must have, sorted.
        rights: of the client.
    """

    keys: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    rights: Rights


class Facts(NamedTuple):
    """What is known of a shard besides its INFO, with the names that the page reads.

    Attributes:
        id: its id.
        labels: by name.
        state: new, up, loading, busy or down.
        reason: why it is down; else "".
        error: text of the newest failure; "" where there is none.
        role: as in INFO; None where unknown.
        version: of the server; None where unknown.
        since: wall clock at which the present state began, seconds since the Unix epoch; None where
            unknown.
        interval: seconds between two polls; None where unknown.
    """

    id: str
    labels: Mapping[str, str] = _NO_LABELS
    state: str = ""
    reason: str = ""
    error: str = ""
    role: str | None = None
    version: str | None = None
    since: float | None = None
    interval: float | None = None


class Rows(NamedTuple):
    """All shards at one moment; an item of each sequence belongs to one shard.

    Attributes:
        ids: sorted.
        times: wall clock at which the newest INFO arrived, as float64; `NEVER` without one.
        columns: for each requested field its values.
        facts: of the shards.
    """

    ids: Sequence[str]
    times: array[float]
    columns: Mapping[str, ColumnPart]
    facts: Sequence[Facts]


class Reading(NamedTuple):
    """One reading of the table.

    Attributes:
        time: the wall clock of `Rows.times`.
        epoch: of the daemon; after another one the page starts from nothing.
        rows: the shards; None where they could not be read.
        events: new lifecycle events, as they are sent; oldest first.
        problem: why the shards could not be read; "" where they were.
        daemons: a line about the daemons of a fleet, or the slice of a single one; else "".
        missing: slices and daemons without which shards may be missing, a line each.
    """

    time: float
    epoch: int
    rows: Rows | None
    events: Sequence[Mapping[str, object]] = ()
    problem: str = ""
    daemons: str = ""
    missing: Sequence[str] = ()


class TableSource(Protocol):
    """Reads the table of one selection."""

    def read(self, yield_point: YieldPoint) -> Reading:
        """Return the shards as they are now. An error of a daemon is a `problem`.

        Args:
            yield_point: called repeatedly; may yield to the event loop.
        """

    def close(self) -> None:
        """Free what it holds; it is not read again."""


OpenSource: TypeAlias = Callable[[Selection], TableSource]
"""Returns the source of a selection."""


def batched(items: Sequence[_Item], yield_point: YieldPoint) -> Iterator[_Item]:
    """Yield items, with a yield point now and then."""
    for start in range(0, len(items), _BATCH):
        yield_point()
        yield from items[start : start + _BATCH]
