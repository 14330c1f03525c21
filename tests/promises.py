"""The table of what tests measured: fault, promise, measured; printed at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

_PROPERTY = "zinfo promise"


class Promise:
    """One row of the table: a fault, what zinfo promises, and what was measured.

    Args:
        record: takes a named property of the test; it travels with its report.
    """

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record

    def __call__(self, fault: str, promise: str, measured: str) -> None:
        """Add a row; called once what was measured is known, and before it is judged.

        Args:
            fault: what went wrong, in a few words.
            promise: what must hold, with its bound.
            measured: the figures, with their units.
        """
        self._record(_PROPERTY, [fault, promise, measured])


@pytest.fixture
def promise(record_property: Callable[[str, object], None]) -> Promise:
    """Collects the rows of a test."""
    return Promise(record_property)


def rows(reports: Iterable[Any]) -> list[list[str]]:
    """Return the rows that reports of tests carry, each with how the test ended."""
    return [
        [*map(str, value), str(report.outcome)]
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]


def table(lines: list[list[str]]) -> list[str]:
    """Return the lines of a table; what was measured, of any length, comes last."""
    lines = [["", "fault", "promise", "measured"], *([end, *row] for *row, end in lines)]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return [
        "  ".join([*(line[column].ljust(widths[column]) for column in range(3)), line[3]])
        for line in lines
    ]
