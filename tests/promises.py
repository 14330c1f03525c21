"""The table of faults, promises and measurements, printed at the end of a test run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

_PROPERTY = "zinfo promise"


class Promise:
    """Adds rows to the table: a fault, what zinfo promises, and what was measured.

    Args:
        record: Adds a property to the report of the test.
    """

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record

    def __call__(self, fault: str, promise: str, measured: str) -> None:
        """Add a row. Call it before the assertions, so that failures are in the table.

        Args:
            fault: The fault, in a few words.
            promise: The promise, without times: tests do not check them.
            measured: The measurements, with their units.
        """
        self._record(_PROPERTY, [fault, promise, measured])


@pytest.fixture
def promise(record_property: Callable[[str, object], None]) -> Promise:
    """Adds rows for a test."""
    return Promise(record_property)


def rows(reports: Iterable[Any]) -> list[list[str]]:
    """Return the rows in reports of tests, each with the outcome of its test."""
    return [
        [*map(str, value), str(report.outcome)]
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]


def table(lines: list[list[str]]) -> list[str]:
    """Return the lines of a table; the measurements, which may be long, are the last column."""
    lines = [["", "fault", "promise", "measured"], *([end, *row] for *row, end in lines)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return [
        "  ".join([*(line[column].ljust(widths[column]) for column in range(3)), line[3]])
        for line in lines
    ]
