"""Short text for numbers, values, states and events, and the colours of states. Pure.

All views use it: `zinfo top` in a terminal and in a browser, `zinfo demo`, and the commands that
print lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from zinfo.views import units
from zinfo.wire.lifecycle import (
    BUSY,
    DOWN,
    FAULT,
    LABELS_CHANGED,
    LOADING,
    NEW,
    POLLING_ERROR,
    RESTARTED,
    ROLE_CHANGED,
    SATURATED,
    SHORT_OF_FILES,
    SOURCE_FAILED,
    SOURCE_HELD,
    SOURCE_RECOVERED,
    STATES,
    UP,
    VERSION_CHANGED,
    Event,
)

NOTHING = "-"
"""Shown where a value is unknown or outdated."""

DAEMON = "(daemon)"
"""Shown instead of a shard id for events of the daemon itself and of the connection to it."""

STALE = "stale"
"""Status of a shard whose data may be outdated, and the type of the event that reports this."""

RECONNECTED = "again"
"""Type of the event that reports that the daemon responds again after STALE."""

DAEMON_RESTARTED = "restart"
"""Type of the event that reports a restart of the daemon."""

STATE_COLOURS = {
    UP: "green",
    DOWN: "red",
    LOADING: "yellow",
    BUSY: "yellow",
    NEW: "cyan",
    STALE: "magenta",
}
"""The terminal colour of each state, and of the events that report a change to it."""

EVENT_COLOURS = STATE_COLOURS | {
    RESTARTED: "magenta",
    ROLE_CHANGED: "magenta",
    VERSION_CHANGED: "magenta",
    LABELS_CHANGED: "magenta",
    POLLING_ERROR: "yellow",
    SATURATED: "yellow",
    SHORT_OF_FILES: "yellow",
    FAULT: "red",
    SOURCE_FAILED: "yellow",
    SOURCE_RECOVERED: "green",
    SOURCE_HELD: "yellow",
    DAEMON_RESTARTED: "magenta",
}
"""The terminal colour of each type of event."""

EMPHASISED = frozenset({DOWN, STALE, SATURATED, SHORT_OF_FILES, FAULT, SOURCE_FAILED, SOURCE_HELD})
"""States and types of events that are shown in bold."""

_ROLES = {"master": "primary", "slave": "replica"}
_RUN_ID_DIGITS = 8  # of 40 that are shown; enough to tell two run_ids apart
_KIBI = 1024  # factor between units of memory, as in Redis
_MEMORY_UNITS = "BKMGTPE"


def safe(text: str) -> str:
    r"""Return text with every unprintable character escaped as in Python: `\x1b`.

    Stricter than `zinfo.cli.text.printable`: characters without a width are escaped, too, because
    the views rely on the width of what they draw.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def count_text(number: float | None) -> str:
    """Return a count in at most four characters: `999`, `1.2k`, `12k`, `1.2M`."""
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
    """Return a rate in at most five characters; rates below 100 have decimals."""
    if rate is None or not math.isfinite(rate):
        return NOTHING
    if rate == 0 or rate >= 99.5:
        return count_text(rate)
    return f"{rate:.2f}" if rate < 9.995 else f"{rate:.1f}"


def memory_text(size: float | None) -> str:
    """Return a number of bytes in at most five characters: `1.2M`."""
    if size is None or not math.isfinite(size):
        return NOTHING
    value, unit = float(size), 0
    while round(value) >= 1000 and unit < len(_MEMORY_UNITS) - 1:
        value, unit = value / _KIBI, unit + 1
    return f"{_short(value) if unit else f'{size:.0f}'}{_MEMORY_UNITS[unit]}"


def ratio_text(ratio: float | None) -> str:
    """Return a ratio as a percentage, rounded down, in at most four characters."""
    if ratio is None or not math.isfinite(ratio):
        return NOTHING
    return f"{math.floor(ratio * 100)}%"


def seconds_text(seconds: float | None) -> str:
    """Return seconds in at most four characters: `0.5s`, `12s`, `3m`, `2h`, `9d`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    for below, unit, letter in ((99.5, 1, "s"), (5970, 60, "m"), (356400, 3600, "h")):
        if seconds < below:
            return f"{seconds / unit:.0f}{letter}"
    return f"{seconds / 86400:.0f}d"


def duration_text(seconds: float | None) -> str:
    """Return seconds in at most five characters, those below a second as `12us` or `1.2ms`."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds == 0 or seconds >= 0.9995:
        return seconds_text(seconds)
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f}us"
    return f"{_short(seconds * 1000)}ms"


def number_text(number: float | None) -> str:
    """Return a number in at most five characters; one that is not whole has decimals below 100."""
    if number is None or not math.isfinite(number):
        return NOTHING
    if number == int(number) or abs(number) >= 99.5:
        return count_text(number)
    return f"{number:.2f}"


def date_text(time: float | None) -> str:
    """Return the local date and time of a wall-clock time, in 16 characters."""
    if not time:
        return NOTHING
    try:
        return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):  # outside the range of datetime
        return NOTHING


def short_text(value: object, unit: str) -> str:
    """Return a short text for a value of a quantity; `-` for one that is unknown.

    Args:
        value: a number, a text, or what else a field of INFO has; None for unknown.
        unit: one of those of `zinfo.views.units`. Texts are shown as they are, whatever it is.
    """
    if value is None:
        return NOTHING
    shown = _SHORT.get(unit)
    if shown is None or not isinstance(value, (int, float)):
        return value_text(value)
    return shown(value)


def exact_text(value: object, unit: str) -> str:
    """Return a value of a quantity with all digits and its unit: `1,234,567 bytes`.

    Args:
        value: as in `short_text`.
        unit: as in `short_text`.
    """
    if value is None:
        return NOTHING
    if not isinstance(value, (int, float)) or unit == units.TEXT:
        return value_text(value)
    if not math.isfinite(value):
        return NOTHING
    if unit == units.TIME:
        return f"{date_text(value)} ({_digits(value)})"
    if unit == units.RATIO:
        return f"{_digits(value * 100)}%"
    return f"{_digits(value)}{_SUFFIXES.get(unit, '')}"


def _digits(value: float) -> str:
    """Return a number with separators of thousands, and at most three decimals."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3f}".rstrip("0").rstrip(".")


_SHORT: Mapping[str, Callable[[float], str]] = {
    units.COUNT: count_text,
    units.NUMBER: number_text,
    units.PER_SECOND: number_text,
    units.BYTES: memory_text,
    units.BYTES_PER_SECOND: memory_text,
    units.RATIO: ratio_text,
    units.SECONDS: seconds_text,
    units.MILLISECONDS: lambda value: duration_text(value / 1e3),
    units.MICROSECONDS: lambda value: duration_text(value / 1e6),
    units.TIME: date_text,
}
_SUFFIXES = {
    units.PER_SECOND: "/s",
    units.BYTES: " bytes",
    units.BYTES_PER_SECOND: " bytes/s",
    units.SECONDS: " s",
    units.MILLISECONDS: " ms",
    units.MICROSECONDS: " us",
}


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def value_text(value: object, clean: Callable[[str], str] = safe) -> str:
    """Return a field's value as INFO writes it: maps as `keys=1,expires=0`.

    Args:
        value: the value.
        clean: makes text safe to print.
    """
    if isinstance(value, Mapping):
        return ",".join(pair for name, item in value.items() for pair in _pairs(name, item, clean))
    if isinstance(value, list):
        return " ".join(value_text(item, clean) for item in value)
    return clean(str(value))


def _pairs(name: str, value: object, clean: Callable[[str], str]) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        yield f"{clean(name)}={value_text(item, clean)}"


def role_text(role: object) -> str:
    """Return a role for people: `primary` for INFO's `master`, `replica` for `slave`."""
    return _ROLES.get(str(role), safe(str(role))) if role else NOTHING


def labels_text(labels: Mapping[str, str]) -> str:
    """Return labels as `site=fra rack=7`."""
    return safe(" ".join(f"{name}={text}" for name, text in labels.items()))


def event_text(event: Event, *, detailed: bool = False) -> str:
    """Return a short description of an event: `down: refused (was up)`.

    Args:
        event: the event.
        detailed: whether a state is followed by the error, which says what to do.
    """
    old, new = (side and side[:_RUN_ID_DIGITS] for side in (event.old, event.new))
    if event.type == RESTARTED:
        ids = [f"run_id {old} -> {new}"] if old and new else []
        return safe(": ".join([event.type, *ids, *([event.message] if event.message else [])]))
    if event.type in STATES:
        was = f" (was {event.old})" if event.old else ""
        why = f": {event.reason}" if event.reason else ""
        details = f": {event.message}" if detailed and event.message else ""
        return safe(f"{event.type}{why}{was}{details}")
    if event.type == ROLE_CHANGED:
        return safe(f"{event.type}: {role_text(event.old)} -> {role_text(event.new)}")
    text = event.type
    if event.reason:
        text += f" ({event.reason})"
    if event.message:
        return safe(f"{text}: {event.message}")
    return safe(f"{text}: {old} -> {new}" if old and new and old != new else text)


def clock_text(time: float) -> str:
    """Return the local time of day of a wall-clock time."""
    try:
        return datetime.fromtimestamp(time).astimezone().strftime("%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # outside the range of datetime
        return "??:??:??"
