"""Each benchmark works; `test_benchmark_ratios.py` compares its ratios with the baseline."""

from __future__ import annotations

import contextlib
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from benchmarks.__main__ import BASELINE, SCRIPTS
from benchmarks.delivery import LostMessagesError
from benchmarks.figures import Figure, Pair, compared
from benchmarks.mirror_feed import feed
from benchmarks.report import BEGIN, END, README, markdown, newest_results, table, update
from benchmarks.script import SMOKE, results
from benchmarks.targets import TARGETS
from benchmarks.worker import Worker
from tests.benchmark_scripts import measured

PART = {"interference": ("frames", "refresh", "fields", "scrape")}
"""For scripts with many measurements, the ones that are tried."""


EACH_TIME = "query_rate"
"""The script that every run tries; the others run at night."""


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, marks=[] if script == EACH_TIME else [pytest.mark.slow])
        for script in SCRIPTS
    ],
)
@pytest.mark.timeout(900)
def test_each_script_measures_its_targets(script: str, tmp_path: Path) -> None:
    only = PART.get(script, ())
    figures = measured(script, tmp_path / "figures.json", "--rounds=1", only=only)
    assert set(figures) == set(only or import_module(f"benchmarks.{script}").NUMBERS)
    assert all(figure.get("rounds") or figure.get("skipped") for figure in figures.values())


def test_every_target_has_a_script_that_measures_it() -> None:
    modules = [import_module(f"benchmarks.{script}") for script in SCRIPTS]
    assert sorted(number for module in modules for number in module.NUMBERS) == sorted(TARGETS)


def test_the_baseline_has_every_ratio() -> None:
    ratios = json.loads(BASELINE.read_text())["ratios"]
    assert set(ratios) == {number for number, target in TARGETS.items() if target.ratio}


class _Answering(Worker):
    """A worker without a process, whose commands have given results."""

    def __init__(self, **results: dict[str, Any]) -> None:
        super().__init__("none")
        self._results = results
        self._last = ""

    @override
    def send(self, command: str, /, **_arguments: Any) -> None:
        self._last = command

    @override
    def wait(self) -> dict[str, Any]:
        return self._results[self._last]


@pytest.mark.parametrize(
    ("missing", "gaps", "lost"),
    [(0, 0, False), (1, 0, True), (0, 1, True)],
    ids=["all", "a shard lacks deltas", "a gap"],
)
def test_a_mirror_that_lost_a_delta_gives_no_figure(missing: int, gaps: int, lost: bool) -> None:
    feeder = _Answering(make={"bytes": 1}, revisions={"shard": 2}, send={"began": 5.0})
    followed = {"missing": missing, "counters": {"gaps": gaps}, "at": 7.0, "cpu": 0.1}
    expected = pytest.raises(LostMessagesError) if lost else contextlib.nullcontext()
    with expected:
        assert feed(feeder, _Answering(follow=followed), 1, 0.0)["until_followed"] == 2.0


def test_the_table_has_met_missed_and_skipped_targets() -> None:
    figures = [
        Figure("1", [0.05, 0.06, 0.09], note="6 / 100 us"),
        Figure("5", [0.5]),
        Figure("10", skipped="no exporter"),
    ]
    _, met, missed, skipped = (line.split() for line in table(figures).splitlines())
    assert "met" in met
    assert "0.06" in met
    assert "MISSED" in missed
    assert "skipped" in skipped


@pytest.mark.parametrize(
    ("number", "value", "factor"), [("1", 0.14, 2.0), ("1", 0.035, 0.5), ("5", 0.375, 2.0)]
)
def test_worse_means_higher_costs_and_lower_rates(number: str, value: float, factor: float) -> None:
    target = TARGETS[number]
    assert target.worse(value, target.bound) == pytest.approx(factor)
    assert target.met_by(value) is (factor <= 1)


def test_the_readme_has_the_table_of_the_newest_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert update(text, markdown(newest_results())) == text, (
        "run `python -m benchmarks.report --write`"
    )
    assert text.count(BEGIN) == text.count(END) == 1


def test_a_table_is_the_same_whether_made_from_figures_or_from_their_results_file(
    tmp_path: Path,
) -> None:
    figures = [
        compared("1", Pair([6.0, 7.0], [100.0, 90.0]), "us"),
        Figure("5", [0.5]),
        Figure("10", skipped="no exporter"),
        Figure("frames", [3.0, 2.0], note="ping 5 (2)"),
    ]
    path = tmp_path / "2026-11-30-0102.json"
    path.write_text(json.dumps(results(figures, SMOKE)))
    stored = json.loads(path.read_text())["figures"]
    again = [Figure.from_map(number, stored[number]) for number in stored]
    assert table(again) == table(figures)
    text = markdown(path)
    assert "2026-11-30 01:02 UTC" in text
    assert "| 1 | CPU a poll, no subscriber / plain poller | <= 0.07 | 0.0689 |" in text
    assert "| >= 0.75 | **0.5** |" in text
    assert "| skipped: no exporter |" in text
    assert text.endswith("| 2.5 | 2 to 3 | ping 5 (2) |\n")


def test_values_of_a_comparison_without_a_note_are_found_in_its_details() -> None:
    stored = compared("1", Pair([6.0], [100.0]), "us", servers={"kind": "redis"}).as_map()
    del stored["note"]
    assert Figure.from_map("1", stored).note == "6 / 100 us"
