"""The definitions of `zinfo.views` as JSON, which the page evaluates. Pure."""

from __future__ import annotations

from typing import Final

from zinfo._version import __version__
from zinfo.views.column_sets import BUILT_IN
from zinfo.views.counters import COUNTERS, ITEM_COUNTERS, MIN_SECONDS, RESET_MARKERS
from zinfo.views.expressions import DATABASES
from zinfo.views.filtering import GRAMMAR
from zinfo.views.formatting import EMPHASISED, EVENT_COLOURS, STATE_COLOURS
from zinfo.views.grouping import GROUPINGS
from zinfo.views.problem_checks import CHECKS, DAEMON_CHECKS, SEVERITIES
from zinfo.views.quantities import (
    FIELD_UNITS,
    FORMER_NAMES,
    MAX_NAME,
    NUMERIC,
    QUANTITIES,
    Quantity,
)
from zinfo.views.rows import KEYLESS
from zinfo.views.shard_page import PARTS, Part

MAX_KEYS: Final = 64
"""Fields that one stream of the table may have."""


def definitions() -> dict[str, object]:
    """Return what the page shows and how it computes that; the same for every client."""
    return {
        "version": __version__,
        "max_keys": MAX_KEYS,
        "quantities": list(map(_quantity, QUANTITIES.values())),
        "former_names": FORMER_NAMES,
        "numeric_units": sorted(NUMERIC),
        "max_name": MAX_NAME,
        "databases": [*DATABASES, *KEYLESS],
        # The unit of a field is that of the first pattern that is found in its name.
        "field_units": [
            {"pattern": pattern.pattern, "unit": unit} for pattern, unit in FIELD_UNITS
        ],
        "counters": {
            "fields": sorted(COUNTERS),
            "maps": ITEM_COUNTERS,
            "reset_markers": RESET_MARKERS,
            "min_seconds": MIN_SECONDS,
        },
        "filter": {"grammar": GRAMMAR},
        "groupings": [{"name": name, "title": title} for name, title in GROUPINGS.items()],
        "column_sets": [{"name": name, "columns": columns} for name, columns in BUILT_IN.items()],
        "shard_page": list(map(_part, PARTS)),
        "problems": {
            "severities": SEVERITIES,
            "shards": [{**one._asdict(), "fields": sorted(one.fields)} for one in CHECKS],
            "daemon": [one._asdict() for one in DAEMON_CHECKS],
        },
        "state_colours": STATE_COLOURS,
        "event_colours": EVENT_COLOURS,
        "emphasised": sorted(EMPHASISED),
    }


def _quantity(one: Quantity) -> dict[str, object]:
    return {**one._asdict(), "fields": sorted(one.fields)}


def _part(part: Part) -> dict[str, object]:
    table = part.table
    return {
        **part._asdict(),
        "items": [one._asdict() for one in part.items],
        "table": table
        and {**table._asdict(), "columns": [column._asdict() for column in table.columns]},
    }
