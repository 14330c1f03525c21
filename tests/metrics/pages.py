"""The tables of docs/reference/metrics.md."""

from __future__ import annotations

import re
from typing import Final

from tests.daemons import ROOT

PAGE: Final = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[tuple[str, ...]]:
    """Return the cells of each row of the table whose heading begins with this pattern."""
    (table,) = re.findall(rf"\n\| {heading} .*?\n\|[-|]+\n(.*?)\n\n", PAGE, re.DOTALL)
    return [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.split("\n")
    ]
