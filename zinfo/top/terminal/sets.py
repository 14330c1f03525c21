"""The sets of columns that the user can choose by number: those of zinfo, and saved ones."""

from __future__ import annotations

from collections.abc import Sequence

from zinfo.top.saved_columns import load_saved, store_saved
from zinfo.views.column_sets import BUILT_IN, ColumnSet, ColumnSetError, check_name


def known_sets() -> dict[str, Sequence[str]]:
    """Return all sets; without saved ones where the file is invalid."""
    try:
        saved = load_saved()
    except ColumnSetError:
        saved = []
    return {**BUILT_IN, **{one.name: one.columns for one in saved}}


def save_set(name: str, columns: Sequence[str]) -> str:
    """Save a set, in the place of a former one with its name.

    Args:
        name: of the set.
        columns: names of its columns.

    Returns:
        Why it could not be saved, in one line; "" if it was.
    """
    try:
        check_name(name)
        others = [one for one in load_saved() if one.name != name]
        store_saved([*others, ColumnSet(name, tuple(columns))])
    except ColumnSetError as error:
        return str(error)
    return ""
