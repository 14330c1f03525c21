"""The metrics of redis_exporter, read from the table beside this module.

`python -m tests.metrics.exporter_source` makes the table from the source of redis_exporter.
"""

from __future__ import annotations

import csv
from importlib.resources import files
from typing import Final, NamedTuple

COLUMNS: Final = ("metric", "type", "labels", "field", "functions")
"""The columns of the table."""


class ExporterMetric(NamedTuple):
    """One metric of redis_exporter.

    Attributes:
        name: with the prefix.
        kind: its type: `counter`, `gauge`, `histogram` or `summary`.
        labels: all labels that it can have, without `quantile` and `le`.
        field: of INFO, whose number it is; "" if it has another source.
        functions: of redis_exporter, that export it, separated by blanks.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    field: str
    functions: str


FILE: Final = files("zinfo.metrics") / "redis_exporter.csv"
"""The table."""


def _read() -> tuple[ExporterMetric, ...]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    rows = csv.reader(line for line in lines if not line.startswith("#"))
    next(rows)  # the columns
    return tuple(
        ExporterMetric(name, kind, tuple(labels.split()), field, functions)
        for name, kind, labels, field, functions in rows
    )


ROWS: Final = _read()
"""The rows of the table, in the order of their names."""
