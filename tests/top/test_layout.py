"""Where the columns of the table are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.top.terminal.layout import MARK, Layout, lay_out
from zinfo.top.terminal.table_columns import columns_of
from zinfo.views.columns import GAP

COLUMNS = columns_of(
    (
        *("id", "state", "role", "ops", "ops~", "memory", "memory~", "full", "hits"),
        *("clients", "keys", "net_in", "age"),
    )
)


def names(layout: Layout) -> list[str]:
    return [one.column.name for one in layout.placed]


@given(st.integers(1, 300), st.integers(1, 200), st.integers(-3, 30))
@settings(max_examples=examples(100))
def test_columns_are_side_by_side_and_within_the_width(
    width: int, longest: int, offset: int
) -> None:
    layout = lay_out(COLUMNS, width, longest, offset)
    left = MARK
    for _, begin, room in layout.placed:
        assert begin == left
        left += room + GAP
    assert left - GAP <= max(width, MARK + 1)
    assert len(layout.placed) + layout.offset + layout.hidden == len(COLUMNS)
    assert layout.placed[0].column.name == "id"


def test_the_id_takes_unused_space_as_far_as_it_needs_it() -> None:
    assert lay_out(COLUMNS, 80, 60, 0).placed[0].width >= 28
    assert lay_out(COLUMNS, 250, 60, 0).placed[0].width == 60
    assert lay_out(COLUMNS, 250, 9, 0).placed[0].width == 9


@pytest.mark.parametrize("width", [40, 80, 120, 250])
def test_every_column_can_be_scrolled_to(width: int) -> None:
    seen, offset = set(), 0
    while True:
        layout = lay_out(COLUMNS, width, 60, offset)
        seen.update(names(layout))
        if not layout.hidden:
            break
        offset = layout.offset + 1
    assert seen == {one.name for one in COLUMNS}
    assert lay_out(COLUMNS, width, 60, 1000) == lay_out(COLUMNS, width, 60, layout.offset)


def test_a_column_is_found_by_its_place() -> None:
    layout = lay_out(COLUMNS, 120, 20, 0)
    for column, left, width in layout.placed:
        assert layout.at(left) == layout.at(left + width - 1) == column
    assert layout.at(500) is None
