"""The dashboards of deploy/grafana: Grafana can import them, and their script makes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from deploy.grafana.make import FOLDER, texts
from tests.metrics.boards import BOARDS, panels, queries

UNITS = {"none", "short", "percentunit", "bytes", "Bps", "s", "µs", "ops", "reqps", "rps", "cps"}
"""Those of Grafana's units that are in use; one that it does not know would be shown as it is."""

BUILT_IN = frozenset(("__rate_interval", "__url_time_range", "__value.raw"))

each_board = pytest.mark.parametrize("name", BOARDS)


def contents(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield each key of a document with its value, at whatever depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from contents(value)
    elif isinstance(node, list):
        for value in node:
            yield from contents(value)


def test_the_files_are_what_the_script_makes() -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert files == texts(), "run python -m deploy.grafana.make"


@each_board
def test_a_dashboard_has_a_name_and_a_form_that_grafana_10_knows(name: str) -> None:
    board = BOARDS[name]
    assert board["schemaVersion"] >= 38
    assert board["id"] is None, "Grafana gives the number"
    assert len({one["uid"] for one in BOARDS.values()}) == len(BOARDS)
    assert board["title"]
    assert board["description"]


@each_board
def test_panels_have_numbers_of_their_own_titles_and_queries(name: str) -> None:
    found = list(panels(BOARDS[name]))
    numbers = [panel["id"] for panel in found]
    assert len(numbers) == len(set(numbers))
    assert all(panel["title"] for panel in found)
    for panel in found:
        assert bool(panel.get("targets")) == (panel["type"] != "row"), panel["title"]
        marks = [target["refId"] for target in panel.get("targets", ())]
        assert len(marks) == len(set(marks))


@each_board
def test_panels_do_not_lie_over_each_other(name: str) -> None:
    board = BOARDS[name]
    groups = [board["panels"], *(panel["panels"] for panel in board["panels"] if "panels" in panel)]
    for group in groups:
        for panel in group:
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        for one, other in combinations((panel["gridPos"] for panel in group), 2):
            apart = (
                one["x"] + one["w"] <= other["x"]
                or other["x"] + other["w"] <= one["x"]
                or one["y"] + one["h"] <= other["y"]
                or other["y"] + other["h"] <= one["y"]
            )
            assert apart, (one, other)


@each_board
def test_each_panel_has_a_unit_that_grafana_knows(name: str) -> None:
    for panel in panels(BOARDS[name]):
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


@each_board
def test_everything_is_asked_of_the_data_source_that_the_reader_chose(name: str) -> None:
    board = BOARDS[name]
    sources = [value for key, value in contents(board) if key == "datasource"]
    assert len(sources) > len(board["panels"])
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)


@each_board
def test_each_variable_that_is_used_exists_and_each_that_exists_is_used(name: str) -> None:
    board = BOARDS[name]
    there = {variable["name"] for variable in board["templating"]["list"]}
    texts = " ".join(value for _key, value in contents(board) if isinstance(value, str))
    used = {found[0] or found[1] for found in re.findall(r"\$(\w+)|\$\{([\w.]+)[:}]", texts)}
    assert used - BUILT_IN - {"__all"} == there


def test_rates_are_over_the_interval_that_fits_how_often_is_scraped() -> None:
    for asked in queries():
        for function, interval in re.findall(r"\b(i?rate|increase)\(.*?\[(.*?)\]", asked.expr):
            assert (function, interval) == ("rate", "$__rate_interval"), asked
