"""Metrics of statistics by command and by error: `cmdstat_get:calls=1,usec=2` and similar fields.

There are hundreds of them in an INFO. So they have no samplers; `scrape.py` caches the metric of
each part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from zinfo.info.kinds import STATS_PREFIXES
from zinfo.info.values import Value
from zinfo.metrics.names import exporter_family
from zinfo.metrics.sample import MICRO, Fields, PartMetric, label_of, number_of, other_part

_CALLS: Final = exporter_family("commands_total", "INFO's cmdstat_*: calls")
_SECONDS: Final = exporter_family(
    "commands_duration_seconds_total", "INFO's cmdstat_*: usec, in seconds"
)
_REJECTED: Final = exporter_family(
    "commands_rejected_calls_total", "INFO's cmdstat_*: rejected_calls"
)
_FAILED: Final = exporter_family("commands_failed_calls_total", "INFO's cmdstat_*: failed_calls")
_ERRORS: Final = exporter_family("errors_total", "INFO's errorstat_*: count")
LATENCY: Final = exporter_family(
    "latency_percentiles_usec", "INFO's latency_percentiles_usec_* and cmdstat_*"
)
_TOTALS: Final = {",sum": ("_sum", "usec"), ",count": ("_count", "calls")}  # no part has a comma

_ERRORS_PREFIX: Final = "errorstat_"
PERCENTILES: Final = "latency_percentiles_usec_"
"""Prefix of the fields of a summary."""
SUMMARY_NAMES: Final = frozenset(LATENCY.name + suffix for suffix, _part in _TOTALS.values())
"""Names of the summary's samples, in addition to its own."""
LABELS: Final = frozenset(("cmd", "err", "quantile"))
"""Labels of the samples."""


class _Statistics(NamedTuple):
    """The fields with one prefix.

    Attributes:
        label: the name of the label.
        parts: the metrics of the parts.
        stem: begins the name of the metric of any other part.
        left_out: parts without a metric.
    """

    label: str
    parts: dict[str, PartMetric]
    stem: str
    left_out: tuple[str, ...] = ()


_BY_PREFIX: Final = {
    "cmdstat_": _Statistics(
        "cmd",
        {
            "calls": PartMetric(_CALLS, ()),
            "usec": PartMetric(_SECONDS, (), MICRO),
            "rejected_calls": PartMetric(_REJECTED, ()),
            "failed_calls": PartMetric(_FAILED, ()),
        },
        "command_",
        ("usec_per_call",),  # the quotient of the two counters, since the start
    ),
    _ERRORS_PREFIX: _Statistics("err", {"count": PartMetric(_ERRORS, ())}, "error_"),
}
_NAMES: Final = frozenset(
    found.family.name for one in _BY_PREFIX.values() for found in one.parts.values()
)
_QUANTILE: Final = re.compile(r"p([0-9]+(?:\.[0-9]+)?)")


def is_statistics(field: str) -> bool:
    """Return whether a field has statistics of a command or an error."""
    return field.startswith(STATS_PREFIXES)


def statistics_part(field: str, part: str) -> PartMetric | None:
    """Return the metric of one part of a field that `is_statistics`; None if there is none."""
    if field.startswith(PERCENTILES):
        return _percentile(field, part)
    prefix = field[: field.index("_") + 1]
    statistics = _BY_PREFIX[prefix]
    found = statistics.parts.get(part)
    if found is None and part not in statistics.left_out:
        found = other_part(statistics.stem, part, _NAMES)
    return found and found._replace(labels=((statistics.label, label_of(field[len(prefix) :])),))


def parts_of(field: str, value: Value) -> Mapping[str, Value]:
    """Return the parts of a field with statistics, or of a database, that is not simply a map.

    If the field is repeated, the first number of each part counts. Some servers write the number of
    an error without its name: `errorstat_ERR:1`.
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        merged: dict[str, Value] = {}
        for item in value:
            for part, number in parts_of(field, item).items():
                if number_of(merged.get(part)) is None:
                    merged[part] = number
        return merged
    return {"count": value} if field.startswith(_ERRORS_PREFIX) else {}


def totals(fields: Fields, field: str) -> dict[str, Value]:
    """Return sum and count of a summary of percentiles, from the statistics of the command."""
    name = f"cmdstat_{field[len(PERCENTILES) :]}"
    calls = parts_of(name, fields.get(name, ""))
    return {total: calls[part] for total, (_suffix, part) in _TOTALS.items() if part in calls}


def _percentile(field: str, part: str) -> PartMetric | None:
    command = ("cmd", label_of(field[len(PERCENTILES) :]))
    if part in _TOTALS:
        return PartMetric(LATENCY, (command,), suffix=_TOTALS[part][0])
    found = _QUANTILE.fullmatch(part)
    if found is None:  # the quantile of a summary has to be a number
        return None
    quantile = found[1].rstrip("0").rstrip(".") if "." in found[1] else found[1]
    return PartMetric(LATENCY, (command, ("quantile", quantile)))
