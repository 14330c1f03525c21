"""The units of quantities. Pure."""

from __future__ import annotations

TEXT = "text"
COUNT = "count"
NUMBER = "number"
PER_SECOND = "per second"
BYTES = "bytes"
BYTES_PER_SECOND = "bytes per second"
RATIO = "ratio"
SECONDS = "seconds"
MILLISECONDS = "milliseconds"
MICROSECONDS = "microseconds"
TIME = "time"
"""The units; each has its own form as text, and its own units in a filter.

TIME is seconds since the Unix epoch by the server's clock, as `rdb_last_save_time` has it.
"""

NUMERIC = frozenset(
    (
        COUNT,
        NUMBER,
        PER_SECOND,
        BYTES,
        BYTES_PER_SECOND,
        RATIO,
        SECONDS,
        MILLISECONDS,
        MICROSECONDS,
        TIME,
    )
)
"""Units of quantities that can be compared and sorted by size."""
