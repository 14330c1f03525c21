"""Numbers with units as people write them in a filter: `1.5k`, `2G`, `80%`, `10s`. Pure."""

from __future__ import annotations

import re

from zinfo.views.quantities import (
    BYTES,
    BYTES_PER_SECOND,
    MICROSECONDS,
    MILLISECONDS,
    RATIO,
    SECONDS,
    TIME,
)

_NUMBER = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?|\.[0-9]{1,18})([a-z%]{0,3})")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_DURATIONS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_OWN_DURATION = {SECONDS: "s", TIME: "s", MILLISECONDS: "ms", MICROSECONDS: "us"}

EXAMPLES = {
    BYTES: "512M or 2G",
    BYTES_PER_SECOND: "10k or 5M",
    RATIO: "80%",
    SECONDS: "10s, 5m or 2h",
    MILLISECONDS: "5ms or 2s",
    MICROSECONDS: "500us, 5ms or 2s",
}
"""Numbers with units that fit a unit, for errors; others take those of `OTHER_EXAMPLES`."""

OTHER_EXAMPLES = "100, 1.5k or 2M"
"""Numbers that fit a count or a number without a unit."""


class AmountError(ValueError):
    """A text is no number with a unit that fits; the message says why, in one line."""


def amount(text: str, unit: str) -> float:
    """Return the value of a number with its unit.

    k, M, G and T are powers of 1024 for bytes, and of 1000 for others; case is ignored, and `B` or
    `iB` may follow for bytes. A ratio is a percentage, with or without `%`. A time without a unit
    is in that of the quantity.

    Args:
        text: such as `1.5k`.
        unit: of the quantity that it is compared with.

    Raises:
        AmountError: it is no number, or its unit does not fit.
    """
    found = _NUMBER.fullmatch(text.lower())
    if found is None:
        raise AmountError(f"{text[:40]} is not a number such as {examples(unit)}")
    number, suffix = float(found[1]), found[2]
    if unit == RATIO:
        if suffix in ("", "%"):
            return number / 100
    elif unit in _OWN_DURATION:
        own = _OWN_DURATION[unit]
        if (suffix or own) in _DURATIONS:
            return number * _DURATIONS[suffix or own] / _DURATIONS[own]
    elif unit in (BYTES, BYTES_PER_SECOND):
        power = _POWERS.get(suffix.removesuffix("b").removesuffix("i"))
        if power is not None:
            return float(number * 1024**power)
    elif suffix in _POWERS:
        return float(number * 1000 ** _POWERS[suffix])
    raise AmountError(f"{text[:40]} has a unit that does not fit: expected {examples(unit)}")


def examples(unit: str) -> str:
    """Return numbers that fit a unit, as examples for an error."""
    return EXAMPLES.get(unit, OTHER_EXAMPLES)
