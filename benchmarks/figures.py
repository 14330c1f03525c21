"""Measured figures, one for each line of the table."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.progress import log_progress
from benchmarks.targets import TARGETS, Target


@dataclass
class Figure:
    """One measured line of the table.

    Attributes:
        number: Number of the target.
        values: One value for each round.
        cpu: The same comparison by CPU time, if `values` are wall-clock times; on a busy machine
            it is more reliable.
        note: The absolute values in words, for the table.
        detail: Further measurements, for the results file.
        skipped: Why nothing was measured; empty if it was.
    """

    number: str
    values: Sequence[float] = ()
    cpu: Sequence[float] = ()
    note: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    skipped: str = ""

    @property
    def target(self) -> Target:
        """The target of this figure."""
        return TARGETS[self.number]

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    @property
    def steady(self) -> float:
        """The median by CPU time if it was measured, which a busy machine disturbs least."""
        return statistics.median(self.cpu or self.values)

    def as_map(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        target = self.target
        common = {"measure": target.measure, "target": target.bound, "unit": target.unit}
        if self.skipped:
            return {**common, "skipped": self.skipped}
        return {
            **common,
            "median": self.value,
            "met": target.met_by(self.value),
            "rounds": list(self.values),
            "steady": self.steady,
            **({"note": self.note} if self.note else {}),
            **({"detail": self.detail} if self.detail else {}),
        }

    @classmethod
    def from_map(cls, number: str, stored: Mapping[str, Any]) -> Figure:
        """Return the figure that `as_map` returned this map for.

        Args:
            number: Number of the target.
            stored: The figure in a results file.
        """
        if "skipped" in stored:
            return cls(number, skipped=stored["skipped"])
        detail = dict(stored.get("detail", {}))
        note = stored.get("note") or _compared_values(detail)
        return cls(number, stored["rounds"], note=note, detail=detail)


class FigureList:
    """Collects the figures of a script, and reports each as soon as it is measured.

    Args:
        wanted: Numbers of the targets to collect; figures of others are ignored.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        self._wanted = wanted
        self.all: list[Figure] = []

    def add(
        self, number: str, values: float | Sequence[float], detail: Mapping[str, Any] | None = None
    ) -> None:
        """Add a figure: one value, or one for each round."""
        if number in self._wanted:
            rounds = values if isinstance(values, Sequence) else [values]
            figure = Figure(number, rounds, detail=dict(detail or {}))
            self.all.append(figure)
            log_progress(f"{figure.target.measure}: {figure.value:.2f} {figure.target.unit}")


@dataclass(frozen=True, slots=True)
class Pair:
    """Measurements of zinfo and of what it is compared with, a value for each round.

    Attributes:
        ours: Values of zinfo.
        theirs: Values of the other.
    """

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def ratios(self) -> list[float]:
        """Return zinfo's value divided by the other's, for each round."""
        return [one / other for one, other in zip(self.ours, self.theirs, strict=True)]

    def in_words(self, unit: str) -> str:
        """Return both medians as text."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return f"{short(ours)} / {short(theirs)} {unit}"

    def as_map(self) -> dict[str, list[float]]:
        """Return it for a JSON file."""
        return {"ours": self.ours, "theirs": self.theirs}


def compared(
    number: str, measured: Pair, unit: str, *, cpu: Pair | None = None, **detail: Any
) -> Figure:
    """Return the figure of a comparison.

    Args:
        number: Number of the target.
        measured: The values that are compared.
        unit: Their unit.
        cpu: CPU time of the same work, if `measured` is wall-clock time.
        **detail: Further measurements, for the results file.
    """
    figure = Figure(number, measured.ratios(), note=measured.in_words(unit))
    figure.detail = {unit: measured.as_map(), **detail}
    if cpu is not None:
        # CPU times are inverted for a rate: half the time an item is twice the items a second.
        figure.cpu = [1 / one if figure.target.at_least else one for one in cpu.ratios()]
        figure.detail["us of CPU"] = cpu.as_map()
    return figure


def _compared_values(detail: Mapping[str, Any]) -> str:
    """Return the note of a comparison; results of 2026-11-27 and before have none."""
    for unit, pair in detail.items():
        if isinstance(pair, dict) and {"ours", "theirs"} <= pair.keys():
            return Pair(pair["ours"], pair["theirs"]).in_words(unit)
    return ""


def short(value: float) -> str:
    """Return a number with three significant digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
