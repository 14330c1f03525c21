"""What the page is told: only what is new, in values that JSON has."""

from __future__ import annotations

import math

from zinfo.top.columns import COLUMNS
from zinfo.top.web.told import Cells, Changes, columns, points


def row(*texts: str, state: str = "up") -> Cells:
    return Cells(state, texts, texts)


def test_a_row_is_told_whole_once_and_then_what_changed_of_it() -> None:
    changes = Changes()
    first = changes.of({"a": row("a", "1"), "b": row("b", "2")})
    assert first["gone"] == []
    assert first["rows"] == {
        "a": {"state": "up", "cells": [[0, "a", "a"], [1, "1", "1"]]},
        "b": {"state": "up", "cells": [[0, "b", "b"], [1, "2", "2"]]},
    }
    assert changes.of({"a": row("a", "1"), "b": row("b", "2")}) == {"rows": {}, "gone": []}
    second = changes.of({"a": row("a", "3")})
    assert second == {"rows": {"a": {"state": "up", "cells": [[1, "3", "3"]]}}, "gone": ["b"]}


def test_a_state_alone_is_a_change() -> None:
    changes = Changes()
    changes.of({"a": row("a")})
    told = changes.of({"a": row("a", state="stale")})
    assert told["rows"] == {"a": {"state": "stale", "cells": []}}


def test_a_picture_has_its_holes_and_its_height() -> None:
    shown = points([math.nan, 0.0, 5.0, 10.0], 3, 4, "ops")
    assert shown == [None, 0.0, 0.5, 1.0]
    assert points([0.25], 0, 1, "hit_ratio") == [0.25]
    assert points([math.nan] * 3, 2, 3, "memory") == [None] * 3


def test_each_column_of_the_table_has_a_heading() -> None:
    told = columns()
    assert len(told) == len(COLUMNS)
    assert all(column["heading"] for column in told)
