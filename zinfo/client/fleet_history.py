"""The history of all shards of a fleet, from those of its daemons. Pure.

Of a shard that several daemons have, the copy counts whose newest value is newer; of two such, the
one whose values began earlier, as a daemon that has just started has only a part of them. Steps
begin at multiples of their length by the daemons' wall clocks, so most fleets have the same ones.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from zinfo.client.fleet_merge import EntryFormat
from zinfo.client.history import History, HistorySeries
from zinfo.client.requests import Map
from zinfo.wire.lifecycle import DOWN, UP

if TYPE_CHECKING:
    from zinfo.wire.history_pages import Floats

HISTORY_ENTRIES: Final = EntryFormat(
    shard=lambda entry: entry["id"],
    age=lambda entry: entry["age"],
    state=lambda entry: entry["state"],
)
"""Of the maps that `entries_of` returns."""

_LATE_STEPS = 2  # steps that the newest value of a daemon may be behind that of another


class _Frame(NamedTuple):
    step: float
    newest: float
    points: int


def entries_of(history: History) -> list[Map]:
    """Return a map for each shard of a daemon's history, for an `EntryMerge`.

    Their ages count from time 0, so that those of several daemons can be compared.
    """
    frame = _Frame(history.step, history.newest, history.points)
    return [_entry(history, frame, shard) for shard in history.ids]


def merged_history(entries: Sequence[Map], names: Iterable[str]) -> History:
    """Return the history of the shards in some entries, in the order of these.

    Args:
        entries: from `entries_of`.
        names: of the series.
    """
    frame = _common_frame({entry["frame"] for entry in entries})
    places = {entry["id"]: (block, 0) for block, entry in enumerate(entries)}
    series = {
        name: HistorySeries(
            places,
            [_aligned(entry["series"].get(name), entry["frame"], frame) for entry in entries],
            frame.points,
        )
        for name in names
    }
    return History(tuple(places), *frame, series)


def _entry(history: History, frame: _Frame, shard: str) -> Map:
    series = {name: history[name][shard] for name in history}
    ends = [_ends(values) for values in series.values()]
    known = [found for found in ends if found is not None]
    last = max((last for _, last in known), default=-1)
    first = min((first for first, _ in known), default=frame.points)
    newest = frame.newest - (frame.points - 1 - last) * frame.step
    is_whole = first == 0 and last == frame.points - 1  # otherwise other daemons are asked, too
    begins_earlier = (frame.points - first) / (frame.points + 1)  # below 1
    return {
        "id": shard,
        "age": -(newest + begins_earlier * frame.step) if known else math.inf,
        "state": UP if is_whole else DOWN,
        "series": series,
        "frame": frame,
    }


def _ends(values: Floats) -> tuple[int, int] | None:
    """Return the positions of the first and the last value; None if there is none."""
    count = len(values)
    first = next((at for at in range(count) if not math.isnan(values[at])), None)
    if first is None:
        return None
    return first, next(at for at in range(count - 1, -1, -1) if not math.isnan(values[at]))


def _common_frame(frames: set[_Frame]) -> _Frame:
    """Return the steps of a result that has values of all of these steps."""
    if len(frames) <= 1:
        return next(iter(frames), _Frame(1.0, 0.0, 0))
    step = max(frame.step for frame in frames)
    latest = max(frame.newest for frame in frames)
    # So that one daemon whose step is not over yet does not leave a gap at the end.
    newest = min(frame.newest for frame in frames if frame.newest >= latest - _LATE_STEPS * step)
    oldest = min(frame.newest - (frame.points - 1) * frame.step for frame in frames if frame.points)
    return _Frame(step, newest, max(0, int((newest - oldest) // step) + 1))


def _aligned(values: Floats | None, frame: _Frame, wanted: _Frame) -> Floats | None:
    """Return values for other steps: for each of them the value before it, or at the same time."""
    if values is None or frame == wanted:
        return values
    found = array("f")
    for back in range(wanted.points - 1, -1, -1):
        behind = (frame.newest - (wanted.newest - back * wanted.step)) / frame.step
        at = len(values) - 1 - math.ceil(behind - 0.001)
        found.append(values[at] if 0 <= at < len(values) else math.nan)
    return memoryview(found.tobytes()).cast("f")
