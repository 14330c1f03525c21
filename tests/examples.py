"""How many examples property-based tests try."""

from __future__ import annotations

import os

_FEWER = 10  # where each line is traced, examples cost several times as much and cover no more


def examples(count: int) -> int:
    """Return how many examples to try: `count`, or a part of it while coverage is measured."""
    return max(10, count // _FEWER) if os.environ.get("COVERAGE_RUN") else count
