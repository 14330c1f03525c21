"""Prints what sources list: the table and the JSON of `zinfo check --discover`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import click

from zinfo.cli.output import echo_json, emit
from zinfo.cli.text import printable
from zinfo.daemon.read_once import Reading
from zinfo.discovery.target import Answer
from zinfo.wire.slices import SliceSpec

_OK, _PARTLY, _FAILED = "ok", "PARTLY", "FAILED"
_COLOURS = {_OK: "green", _PARTLY: "yellow", _FAILED: "red"}
_MAX_SHOWN = 5  # reasons, and notes, of a source; the JSON has all


def is_well(reading: Reading) -> bool:
    """Return whether the whole source could be read."""
    return _state(reading) == _OK


def print_readings(readings: Sequence[Reading], own: Collection[str], *, local: bool) -> None:
    """Print a line for each source, and one for all shards.

    Args:
        readings: the results.
        own: ids of the `[[shards]]`.
        local: whether the servers of this machine are watched, too.
    """
    texts = [_count(reading) for reading in readings]
    width = max((len(text) for text, _ in texts), default=0)
    names = _padded(printable(reading.name) for reading in readings)
    kinds = _padded(printable(reading.kind) for reading in readings)
    states = [_state(reading) for reading in readings]
    longest = max(map(len, states), default=0)
    for name, kind, state, (count, more) in zip(names, kinds, states, texts, strict=True):
        shown = click.style(state, fg=_COLOURS[state]) + " " * (longest - len(state))
        emit(f"{name}  {kind}  {shown}  " + (f"{count:>{width}}{more}" if count else more))
    emit(_in_all(readings, own, local=local))


def print_json(reading: Reading, slice_spec: SliceSpec | None = None) -> None:
    """Print a source as a JSON object, whose shards say whether they are in a slice."""
    answer = reading.answer or Answer({})
    in_slice: dict[str, bool] = {}
    if slice_spec is not None:
        for ident, target in answer.targets.items():
            in_slice[ident] = slice_spec.includes(ident, target.labels)
    echo_json(
        {
            "name": reading.name,
            "type": reading.kind,
            "state": _state(reading).lower(),
            "error": reading.error,
            "duration": round(reading.duration, 3),
            "shards": [
                {
                    "id": ident,
                    "url": target.url,
                    "labels": dict(target.labels),
                    "credentials": target.credentials,
                    **({"in_slice": in_slice[ident]} if in_slice else {}),
                }
                for ident, target in answer.targets.items()
            ],
            "skipped": dict(answer.skipped),
            "notes": list(answer.notes),
            "slice": None
            if slice_spec is None
            else {**slice_spec.as_map(), "shards": sum(in_slice.values())},
        }
    )


def _state(reading: Reading) -> str:
    if reading.answer is None:
        return _FAILED
    return _PARTLY if reading.answer.incomplete else _OK


def _count(reading: Reading) -> tuple[str, str]:
    """Return the number of shards as text, and the rest of the line."""
    answer = reading.answer
    if answer is None:
        return "", printable(reading.error)
    more = ""
    if answer.skipped:
        reasons = Counter(answer.skipped).most_common()
        texts = [f"{reason} ({count})" for reason, count in reasons]
        more += f", {sum(answer.skipped.values())} skipped: {_first(texts, ', ')}"
    if answer.notes:
        more += f" ({_first(answer.notes, '; ')})"
    return _shards(len(answer.targets)), printable(more)


def _first(texts: Sequence[str], separator: str) -> str:
    rest = len(texts) - _MAX_SHOWN
    shown = [*texts[:_MAX_SHOWN], *([f"and {rest} more"] if rest > 0 else [])]
    return separator.join(shown)


def _in_all(readings: Sequence[Reading], own: Collection[str], *, local: bool) -> str:
    """Return the line about all shards; one that several sources list counts once."""
    named = Counter(ident for one in readings if one.answer for ident in one.answer.targets)
    named.update(own)
    text = f"{_shards(len(named))} in all"
    if own:
        text += f", {len(own)} of them in [[shards]]"
    if several := sum(count > 1 for count in named.values()):
        text += f", {several} listed more than once"
    return text + (", and the servers of this machine" if local else "")


def _shards(count: int) -> str:
    return "1 shard" if count == 1 else f"{count} shards"


def _padded(texts: Iterable[str]) -> list[str]:
    cells = list(texts)
    width = max(map(len, cells), default=0)
    return [cell.ljust(width) for cell in cells]
