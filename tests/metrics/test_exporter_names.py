"""Names, types and labels are those of redis_exporter's source, except as metrics.md lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache

import pytest

from tests.daemons import ROOT
from tests.info_texts import TEXTS
from tests.metrics.pages import PAGE, rows
from tests.metrics.shards import metrics_of
from tests.metrics.texts import families, samples
from zinfo.metrics.exporter_table import ROWS
from zinfo.metrics.names import DEPRECATED, PREFIX, family_of

EVERY_FIELD = "\r\n".join(
    [f"{row.field}:1" for row in ROWS if row.field]
    + ["used_active_time_io_thread_1:1", "availability_zone:b"]
).encode()
"""An INFO with all fields that redis_exporter knows by name, and some that no stored text has."""

FROM_INFO = re.compile(
    "extractInfoMetrics|extractModulesMetrics|generateCommandLatencySummaries"
    "|handleMetrics.*|parseAndRegisterConstMetric"
)
"""The functions of redis_exporter that read INFO."""

QUANTILE = "quantile"
"""The label of the samples of a summary, which redis_exporter does not describe."""


@cache
def exported() -> dict[str, tuple[set[str], set[str]]]:
    """Return types and labels of each metric that zinfo makes of the stored texts."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for raw in (*TEXTS.values(), EVERY_FIELD):
        text = metrics_of(raw)
        kinds = families(text)
        for name, metric in kinds.items():
            found.setdefault(name, (set(), set()))[0].add(metric.type)
        for sample, labels in samples(text):
            name = sample if sample in kinds else re.sub("_(sum|count|total)$", "", sample)
            found[name][1].update(label for label, _value in labels)
    return found


def differences() -> Iterator[tuple[str, str]]:
    """Yield each metric of redis_exporter that zinfo lacks, or has otherwise, and how."""
    metrics = exported()
    for row in ROWS:
        if row.name not in metrics:
            yield row.name, "missing"
            continue
        kinds, labels = metrics[row.name]
        if kinds != {row.kind}:
            yield row.name, f"type {'`, `'.join(sorted(kinds))}"
        for label in sorted(labels - {*row.labels, QUANTILE}):
            yield row.name, f"also `{label}`"
        for label in sorted(set(row.labels) - labels):
            yield row.name, f"without `{label}`"


def listed() -> Iterator[tuple[str, str]]:
    """Yield the differences that the page lists."""
    names = [row.name for row in ROWS]
    for patterns, difference, _reason in rows("metrics of redis_exporter"):
        for pattern in re.findall("`(.*?)`", patterns):
            matching = [name for name in names if fnmatchcase(name, pattern)]
            assert matching, pattern
            for name in matching:
                yield name, difference


def test_the_page_lists_each_difference_once() -> None:
    assert f"has {len(ROWS)} metrics" in " ".join(PAGE.split())
    assert sorted(listed()) == sorted(differences())


def test_each_metric_that_redis_exporter_gets_from_info_is_exported() -> None:
    missing = {name for name, difference in differences() if difference == "missing"}
    from_info = {row.name for row in ROWS if FROM_INFO.fullmatch(row.functions)}
    assert missing & from_info == set()


def test_each_metric_has_one_source_or_one_type() -> None:
    kinds = {row.name: row.kind for row in ROWS}
    assert len(kinds) > 390
    assert all(kinds[row.name] == row.kind for row in ROWS)
    assert all(re.fullmatch("redis_[a-z0-9_]+", name) for name in kinds)
    fields = [row.field for row in ROWS if row.field]
    assert len(fields) == len(set(fields)) > 250


@pytest.mark.parametrize("field", DEPRECATED)
def test_a_renamed_metric_keeps_its_name_for_a_version(field: str) -> None:
    new = family_of(field)
    assert new.name != PREFIX + field
    text = metrics_of(f"{field}:7")
    assert {f"{new.name}{{}} 7", f"{PREFIX}{field}{{}} 7"} <= set(text.splitlines())
    old = families(text)[PREFIX + field]
    assert old.documentation == f"deprecated: use {new.name}"
    assert old.type == "gauge", "as before"


def test_no_old_name_is_the_name_of_another_metric() -> None:
    names = {row.name for row in ROWS}
    assert not names & {of.name for of in DEPRECATED.values()}


def test_the_shipped_dashboards_and_alerts_use_no_old_name() -> None:
    old = {of.name for of in DEPRECATED.values()}
    files = [path for path in (ROOT / "deploy").rglob("*") if path.suffix in {".json", ".yml"}]
    assert len(files) > 5
    for path in files:
        assert not old & set(re.findall(r"\w+", path.read_text(encoding="utf-8"))), path
