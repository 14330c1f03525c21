"""Latencies as HdrHistograms, and their text form for sending between processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hdrh.histogram import HdrHistogram

_LONGEST = 600  # seconds; a longer latency is recorded as this
_DIGITS = 3  # significant digits
_MICROS = 1_000_000  # in a second

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
"""The percentiles that are reported."""


def new_histogram() -> Any:
    """Return an empty histogram of microseconds."""
    return HdrHistogram(1, _LONGEST * _MICROS, _DIGITS)


def record(histogram: Any, seconds: float) -> None:
    """Add one latency."""
    histogram.record_value(min(max(1, round(seconds * _MICROS)), _LONGEST * _MICROS))


def as_text(histogram: Any) -> str:
    """Return a histogram as text, for `merged`."""
    encoded: bytes = histogram.encode()
    return encoded.decode("ascii")


def merged(texts: Iterable[str]) -> Any:
    """Return one histogram of all latencies in several."""
    whole = new_histogram()
    for text in texts:
        whole.decode_and_add(text.encode("ascii"))
    return whole


def milliseconds(histogram: Any) -> dict[str, float]:
    """Return the percentiles and the largest latency, in milliseconds."""
    values = {
        f"p{percentile:g}": histogram.get_value_at_percentile(percentile) / 1000
        for percentile in PERCENTILES
    }
    return {**values, "max": histogram.get_max_value() / 1000}
