"""Numbers, values and events in few characters. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime

from zinfo.client.updates import Value
from zinfo.wire.lifecycle import RESTARTED, STATES, Event

NOTHING = "-"
"""Stands where a value is not known, or does not speak of the present."""

DAEMON = "(daemon)"
"""Stands for the shard in events of the daemon itself, and of the way to it."""

_RUN_ID_SHOWN = 8  # of its 40 digits; enough to see that it is another one
_BYTES = 1024  # from a unit of memory to the next, as Redis counts
_UNITS = "BKMGTPE"


def safe(text: str) -> str:
    r"""Return text with what could steer a terminal written as Python would: `\x1b`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def count_text(number: float | None) -> str:
    """Return a count in four characters or less: `999`, `1.2k`, `12k`, `1.2M`."""
    if number is None or not math.isfinite(number):
        return NOTHING
    if number < 999.5:
        return f"{number:.0f}"
    value, units = float(number), iter("kMGTPE")
    unit = ""
    while round(value) >= 1000:
        value, unit = value / 1000, next(units, "?")
    return f"{_short(value)}{unit}"


def rate_text(rate: float | None) -> str:
    """Return a rate in five characters or less; slow ones with what comes after the point."""
    if rate is None or not math.isfinite(rate):
        return NOTHING
    if rate == 0 or rate >= 99.5:
        return count_text(rate)
    return f"{rate:.2f}" if rate < 9.995 else f"{rate:.1f}"


def memory_text(size: float | None) -> str:
    """Return a number of bytes in five characters or less: `1.2M`."""
    if size is None or not math.isfinite(size):
        return NOTHING
    value, unit = float(size), 0
    while round(value) >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / _BYTES, unit + 1
    return f"{_short(value) if unit else f'{size:.0f}'}{_UNITS[unit]}"


def ratio_text(ratio: float | None) -> str:
    """Return a part of one as a percentage, in four characters or less; 100% only for all."""
    if ratio is None or not math.isfinite(ratio):
        return NOTHING
    return f"{math.floor(ratio * 100)}%"


def seconds_text(seconds: float | None) -> str:
    """Return seconds in four characters or less: `0.5s`, `12s`, `3m`, `2h`, `9d`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    for most, unit, letter in ((99.5, 1, "s"), (5970, 60, "m"), (356400, 3600, "h")):
        if seconds < most:
            return f"{seconds / unit:.0f}{letter}"
    return f"{seconds / 86400:.0f}d"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def value_text(value: Value) -> str:
    """Return a field's value as INFO writes it: maps as `keys=1,expires=0`."""
    if isinstance(value, dict):
        return ",".join(pair for name, item in value.items() for pair in _pairs(name, item))
    if isinstance(value, list):
        return " ".join(map(value_text, value))
    return safe(str(value))


def _pairs(name: str, value: Value) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        yield f"{safe(name)}={value_text(item)}"


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as `site=fra rack=7`."""
    return safe(" ".join(f"{name}={text}" for name, text in labels.items()))


def event_text(event: Event) -> str:
    """Return what happened, in few words."""
    old, new = (side and side[:_RUN_ID_SHOWN] for side in (event.old, event.new))
    if event.type == RESTARTED:
        return safe(f"restarted: run_id {old} -> {new}")
    if event.type in STATES:
        was = f" (was {event.old})" if event.old else ""
        why = f": {event.reason}" if event.reason else ""
        return safe(f"{event.type}{why}{was}")
    text = event.type
    if event.reason:
        text += f" ({event.reason})"
    if event.message:
        return safe(f"{text}: {event.message}")
    return safe(f"{text}: {old} -> {new}" if old and new and old != new else text)


def clock_text(time: float) -> str:
    """Return the local time of day of a wall clock's seconds."""
    try:
        return datetime.fromtimestamp(time).astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # a daemon whose clock is nonsense
        return "??:??:??"
