"""History: the last minutes of shards, and the request for it. Pure.

Values stay packed as they came, and are not copied.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from zinfo.client.requests import Call, Map, list_of_texts
from zinfo.errors import ProtocolError, UnknownOpError
from zinfo.wire.history_pages import NAN, HistoryPage, history_page_of, native_floats
from zinfo.wire.query_messages import Reply

if TYPE_CHECKING:
    from zinfo.wire.history_pages import Floats

OPERATION: Final = "history"


class HistorySeries(Mapping[str, "Floats"]):
    """One series: a mapping from the id of a shard to its values.

    The values of a shard are a read-only memoryview of float32 (format `f`), oldest first, which
    numpy.frombuffer takes without a copy; NaN where there is none.

    Args:
        places: for each shard the number of its block, and its position in it.
        blocks: the values of some shards, one after the other; None for shards without any.
        points: number of values of each shard.
    """

    __slots__ = ("_blocks", "_nothing", "_places", "_points")

    def __init__(
        self,
        places: Mapping[str, tuple[int, int]],
        blocks: Sequence[Floats | None],
        points: int,
    ) -> None:
        self._places = places
        self._blocks = blocks
        self._points = points
        self._nothing = no_values(points)

    def __getitem__(self, shard: str) -> Floats:
        block, position = self._places[shard]
        values = self._blocks[block]
        if values is None:
            return self._nothing
        return values[position * self._points : (position + 1) * self._points]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"<HistorySeries of {len(self)} shards, {self._points} values each>"


class History(Mapping[str, HistorySeries]):
    """The last minutes of some shards: a mapping from the name of a series to its values.

    The names are in the order of the request. `history["ops"]["db-1"][-1]` is the newest value of a
    shard; its time is `newest`, and that of each value before it `step` seconds earlier.

    Attributes:
        ids: the shards.
        step: seconds from one value to the next.
        newest: time of the last value, in seconds since the Unix epoch.
        points: number of values of each shard.
    """

    __slots__ = ("_series", "ids", "newest", "points", "step")

    def __init__(
        self,
        ids: Sequence[str],
        step: float,
        newest: float,
        points: int,
        series: Mapping[str, HistorySeries],
    ) -> None:
        self.ids = tuple(ids)
        self.step = step
        self.newest = newest
        self.points = points
        self._series = dict(series)

    def times(self) -> list[float]:
        """Return the time of each value, oldest first, in seconds since the Unix epoch."""
        return [self.newest - self.step * back for back in range(self.points - 1, -1, -1)]

    def __getitem__(self, name: str) -> HistorySeries:
        return self._series[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def __repr__(self) -> str:
        return f"<History of {len(self.ids)} shards: {', '.join(self)}>"


def history(
    shard_ids: Collection[str],
    fields: Collection[str],
    labels: Mapping[str, str] | None,
    since: float,
) -> Call[History]:
    """The request of `Client.history`."""
    args: dict[str, object] = {
        "shard_ids": list_of_texts(shard_ids, "shard_ids"),
        "fields": list_of_texts(fields, "fields"),
        "labels": dict(labels or {}),
    }
    if since > 0 and math.isfinite(since):
        args["since"] = since
    return Call(OPERATION, args, _read)


def body_of(found: History) -> Map:
    """Return the body of a reply that has a history."""
    return {
        "step": found.step,
        "newest": found.newest,
        "points": found.points,
        "ids": list(found.ids),
        "fields": {
            name: native_floats(b"".join([values.tobytes() for values in series.values()]))
            for name, series in found.items()
        },
    }


def no_history(error: UnknownOpError) -> UnknownOpError:
    """Return the error for a daemon without the operation."""
    known = UnknownOpError(
        "this daemon has no history: it is of a version without it, or its configuration has "
        "`enabled = false` in [history]"
    )
    known.__cause__ = error
    return known


def no_values(points: int) -> Floats:
    """Return the values of a shard that has none."""
    return memoryview(native_floats(NAN * points)).cast("f")


def _read(replies: Sequence[Reply]) -> History:
    pages = [history_page_of(reply.body) for reply in replies]
    first = pages[0]
    if any(_frame(page) != _frame(first) for page in pages):
        raise ProtocolError("the pages of a history do not belong together")
    places = {
        shard: (block, position)
        for block, page in enumerate(pages)
        for position, shard in enumerate(page.ids)
    }
    series = {
        name: HistorySeries(places, [page.fields[name] for page in pages], first.points)
        for name in first.fields
    }
    return History(tuple(places), first.step, first.newest, first.points, series)


def _frame(page: HistoryPage) -> tuple[float, float, int, tuple[str, ...]]:
    return page.step, page.newest, page.points, tuple(page.fields)
