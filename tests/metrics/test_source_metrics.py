"""The metrics of sources: each state, its numbers, and names that promtool accepts."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest

from tests.metrics.prometheus import AVAILABLE, MISSING, TOOL
from tests.metrics.texts import samples
from tests.source_states import NOW, STATUSES
from zinfo.health.stats import Stats
from zinfo.metrics.self_metrics import SelfMetrics
from zinfo.shards.source_status import SourceStatus


def text_of(statuses: Sequence[SourceStatus]) -> str:
    metrics = SelfMetrics(Stats(), dict, lambda: 0, lambda: 0, lambda: statuses)
    return metrics.text().decode()


def of_source(text: str, source: str) -> dict[str, float]:
    """Return the samples of a source by name; a further label's value stands behind it."""
    found = {}
    for (name, labels), value in samples(text).items():
        by_name = dict(labels)
        if by_name.pop("source", None) == source:
            found[" ".join((name.removeprefix("zinfo_source_"), *by_name.values()))] = value
    return found


def test_each_source_has_its_numbers() -> None:
    assert of_source(text_of(STATUSES), "orders") == {
        "up cluster": 1,
        "shards": 12,
        "missing": 7,
        "held": 7,
        "skipped": 0,
        "last_success_timestamp_seconds": NOW - 1,
        "read_duration_seconds": 0.01,
        "reads_total ok": 700,
        "reads_total failed": 0,
        "added_total": 13,
        "removed_total": 1,
    }


def test_a_source_that_failed_is_not_up_and_its_shards_count() -> None:
    found = of_source(text_of(STATUSES), "cmdb")
    assert (found["up http"], found["shards"], found["skipped"]) == (0, 4812, 3)
    assert found["reads_total failed"] == 12


def test_a_source_that_was_never_read_has_no_times() -> None:
    found = of_source(text_of(STATUSES), "pods")
    assert found["up dns"] == 0
    assert not [name for name in found if name.endswith("seconds")]


def test_names_of_sources_are_escaped() -> None:
    name = 'a"b\\c'
    assert of_source(text_of([STATUSES[0]._replace(name=name)]), name)["up static"] == 1


@pytest.mark.skipif(not AVAILABLE, reason=MISSING)
def test_promtool_accepts_the_names() -> None:
    done = subprocess.run(
        [TOOL, "check", "metrics"],
        input=text_of(STATUSES),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "zinfo_source" not in done.stdout + done.stderr
