"""What the lists of groupings, sort orders and columns offer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zinfo.top.terminal.choice_screen import Choice
from zinfo.top.terminal.look import Look
from zinfo.views.counters import COUNTERS, counter_items
from zinfo.views.grouping import GROUPINGS
from zinfo.views.quantities import QUANTITIES, Quantity, UnknownQuantityError, quantity

_MAX_LABELS = 50


def grouping_choices(look: Look, none: str) -> list[Choice]:
    """Return what rows can be grouped by.

    Args:
        look: the shards.
        none: name of the choice of no groups.
    """
    labels = [
        Choice(f"label:{name}", f"{len(look.labels[name])} values")
        for name in sorted(look.labels)[:_MAX_LABELS]
    ]
    return [
        Choice(none, "one list"),
        *(Choice(name, text) for name, text in GROUPINGS.items()),
        *labels,
    ]


def quantities_of(look: Look) -> list[Quantity]:
    """Return all that can be a column: the named ones, labels, fields, rates of counters."""
    return [*QUANTITIES.values(), *_others(look)]


def _others(look: Look) -> Iterator[Quantity]:
    names = [f"label:{name}" for name in sorted(look.labels)[:_MAX_LABELS]]
    for name in sorted(look.known.fields):
        field, _, key = name.partition(".")
        counts = key in counter_items(field) if key else name in COUNTERS
        names += [name, f"{name}/s"] if counts else [name]
    for name in names:
        try:
            yield quantity(name)
        except UnknownQuantityError:  # a field with an odd name
            continue


def sort_choices(quantities: Sequence[Quantity]) -> list[Choice]:
    """Return what rows can be sorted by."""
    return [Choice(one.name, one.help) for one in quantities]
