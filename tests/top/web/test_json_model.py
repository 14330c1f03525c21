"""The JSON for the page: only changes, in values that JSON has."""

from __future__ import annotations

import math

from tests.top import building
from tests.top.building import SHARD, status, whole
from zinfo.client.updates import Info
from zinfo.top.model import TopModel
from zinfo.top.web.json_model import Cells, Changes, Sparks, cells, columns, points, shard
from zinfo.views.columns import COLUMNS

SPARKS: Sparks = {"ops": [0.5]}


def row(*texts: str, state: str = "up", sparks: Sparks = SPARKS) -> Cells:
    return Cells(state, texts, texts, sparks)


def test_a_changed_sort_key_is_sent_though_the_text_is_the_same() -> None:
    changes = Changes()
    changes.of({"a": Cells("up", ["1.0k"], [1000], SPARKS)})
    found = changes.of({"a": Cells("up", ["1.0k"], [1001], SPARKS)})
    assert found["rows"] == {"a": {"state": "up", "cells": [[0, "1.0k", 1001]]}}


def test_a_row_is_sent_whole_once_and_then_only_its_changes() -> None:
    changes = Changes()
    first = changes.of({"a": row("a", "1"), "b": row("b", "2")})
    assert first["gone"] == []
    assert first["rows"] == {
        "a": {"state": "up", "cells": [[0, "a", "a"], [1, "1", "1"]]},
        "b": {"state": "up", "cells": [[0, "b", "b"], [1, "2", "2"]]},
    }
    assert first["sparks"] == {"a": SPARKS, "b": SPARKS}
    assert changes.of({"a": row("a", "1"), "b": row("b", "2")}) == {
        "rows": {},
        "sparks": {},
        "gone": [],
    }
    assert changes.of({"a": row("a", "3")}) == {
        "rows": {"a": {"state": "up", "cells": [[1, "3", "3"]]}},
        "sparks": {},
        "gone": ["b"],
    }


def test_sparklines_are_sent_when_they_change_and_when_their_row_comes_back() -> None:
    changes = Changes()
    changes.of({"a": row("a"), "b": row("b")})
    changed: Sparks = {"ops": [1.0]}
    found = changes.of({"a": row("a", sparks=changed)})
    assert (found["rows"], found["sparks"], found["gone"]) == ({}, {"a": changed}, ["b"])
    found = changes.of({"a": row("a", sparks=changed), "b": row("b")})
    assert found["sparks"] == {"b": SPARKS}


def test_a_state_alone_is_a_change() -> None:
    changes = Changes()
    changes.of({"a": row("a")})
    found = changes.of({"a": row("a", state="stale")})
    assert found["rows"] == {"a": {"state": "stale", "cells": []}}


def test_a_picture_has_its_holes_and_its_height() -> None:
    assert points([math.nan, 0.0, 5.0, 10.0], None) == [None, 0.0, 0.5, 1.0]
    assert points([0.25], 1.0) == [0.25]
    assert points([math.nan] * 3, None) == [None] * 3


def test_a_plot_has_the_same_values_as_in_the_terminal() -> None:
    """A peak is as high as is said, and what is past is not called now."""
    model = TopModel()
    for number, ops in enumerate([0, 400, 0, 0, 0], 1):
        info: Info = {"instantaneous_ops_per_sec": ops, "used_memory": 1024}
        info |= {"keyspace_hits": number, "keyspace_misses": number}
        model.apply(whole(number, 500.0 + 5 * number, info), 100.0 + 5 * number)
        model.set_statuses({SHARD: status()}, 100.0 + 5 * number, fresh=True)
    page = shard(model, SHARD, 125.0)
    assert page is not None
    plots = {plot["name"]: plot for plot in page["plots"]}
    ops_plot = plots["ops/s"]
    assert (ops_plot["top"], max(filter(None, ops_plot["points"]))) == ("400", 1.0)
    assert (ops_plot["now"], plots["memory"]["now"]) == ("0", "1.0K")
    hits = plots["hit ratio"]
    assert (hits["top"], hits["now"], hits["points"][-1]) == ("100%", "50%", 0.5)
    model.set_statuses({SHARD: status("down", "refused")}, 140.0, fresh=True)
    page = shard(model, SHARD, 140.0)
    assert page is not None
    assert [plot["now"] for plot in page["plots"]] == ["-"] * 4


def test_each_column_of_the_table_has_a_heading() -> None:
    found = columns()
    assert len(found) == len(COLUMNS)
    assert all(column["heading"] for column in found)


def test_only_columns_whose_text_or_rounded_key_differs_have_changed() -> None:
    first = cells(building.row(age=0.31, memory=1000), SPARKS)
    second = cells(building.row(age=0.33, memory=1001), SPARKS, first)
    third = cells(building.row(age=0.42, memory=1001), SPARKS, second)
    names = [[COLUMNS[at].name for at in one.changed] for one in (second, third)]
    assert names == [["memory"], ["age"]]
    assert [one.keys[-1] for one in (first, second, third)] == [0.3, 0.3, 0.4]
    whole = cells(building.row(age=0.42, memory=1001), SPARKS)
    assert (third.texts, third.keys) == (whole.texts, whole.keys)
