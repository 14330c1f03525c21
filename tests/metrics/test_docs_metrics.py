"""metrics.md agrees with the exposed metrics: renamed fields, labels, zinfo's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.adapters.http.requests import fetch
from tests.daemons import RunningDaemon
from tests.info_texts import TEXTS
from tests.metrics.pages import PAGE, rows
from tests.metrics.texts import families, samples
from tests.servers import RealServer
from zinfo.config import check_file
from zinfo.info import parser
from zinfo.metrics.exporter_table import ROWS
from zinfo.metrics.names import DEPRECATED, PREFIX, family_of
from zinfo.metrics.sample import number_or_flag
from zinfo.metrics.samples import UP, Sample, has_parts
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection

RENAMED = {row[0].strip("`"): row[1:] for row in rows("field")}
OLD_NAMES = [(row[0], row[1]) for row in rows("old name")]
LABELLED = {row[0].strip("`"): row[1:] for row in rows(r"metric \| type \| labels")}
GENERAL = {"index", "part", "master_host", "master_port"}
"""Labels of values that have no row of their own."""
OWN = {row[0].strip("`"): row[1] for row in rows(r"metric \| type \| meaning")}


def plain_fields() -> Iterator[tuple[str, str]]:
    """Yield each field of the stored texts with a number, and the text that has it."""
    for text, raw in TEXTS.items():
        for field, value in parser.parse(raw).fields.items():
            if isinstance(value, (int, float)) and not has_parts(field):
                yield field, text


def flag_fields() -> Iterator[str]:
    """Yield each field of the stored texts whose text means yes or no, or a number."""
    for raw in TEXTS.values():
        for field, value in parser.parse(raw).fields.items():
            if number_or_flag(value) is not None:
                yield field


@pytest.mark.parametrize("field", RENAMED)
def test_a_field_has_the_metric_and_type_of_its_row(field: str) -> None:
    name, kind, _help = family_of(field)
    assert RENAMED[field] == (f"`{name}`", kind)


def test_each_field_with_another_name_or_type_has_a_row() -> None:
    known = {row.field for row in ROWS if row.field}
    own = {field for field in known if family_of(field)[:2] == (PREFIX + field, "gauge")}
    assert set(RENAMED) == known - own


def test_each_deprecated_metric_has_a_row() -> None:
    found = [(f"`{old.name}`", f"`{family_of(field).name}`") for field, old in DEPRECATED.items()]
    assert found == OLD_NAMES


def test_each_metric_with_labels_has_a_row_with_them() -> None:
    numbers = {family_of(field).name for field, _text in plain_fields()}
    numbers |= {name.strip("`") for name, _new in OLD_NAMES}
    flags = {family_of(field).name for field in flag_fields()}
    for raw in TEXTS.values():
        scrape = Scrape(Selection())
        scrape.add([], [Sample(UP, (), 1)], parser.parse(raw).fields, 1.0)
        text = b"".join(scrape.pieces()).decode()
        kinds = {name: metric.type for name, metric in families(text).items()}
        for (sample, labels), _value in samples(text).items():
            name = re.sub("_(sum|count|total)$", "", sample) if sample not in kinds else sample
            row = row_of(name)
            if row is None:
                assert {label for label, _text in labels} <= GENERAL, (name, labels)
                assert labels or name in numbers | flags, name
                continue
            assert kinds[name] == LABELLED[row][0]
            assert {label for label, _text in labels} <= labels_of(row), name


def row_of(metric: str) -> str | None:
    """Return the row of a metric on the page: its own, or the last one with `*`."""
    if metric in LABELLED:
        return metric
    return next((row for row in reversed(LABELLED) if fnmatchcase(metric, row)), None)


def labels_of(metric: str) -> set[str]:
    """Return the labels of a metric on the page; `as above` means those of the row above."""
    names = list(LABELLED)
    place = names.index(metric)
    while LABELLED[names[place]][1] == "as above":
        place -= 1
    return set(re.findall(r"`([a-z_]+)`", LABELLED[names[place]][1]))


def test_the_example_of_a_configuration_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "zinfo.toml").write_text(example)
    assert check_file(tmp_path / "zinfo.toml").metrics.max_samples == 2000


def test_the_page_has_exactly_the_metrics_of_zinfo_with_their_types() -> None:
    environ = {"ZINFO_SLICE_NUMBER": "0", "ZINFO_SLICE_COUNT": "1"}
    with (
        RealServer() as server,
        RunningDaemon([server.url], http=True, environ=environ) as daemon,
    ):
        daemon.wait_polled(1)
        found = families(fetch(daemon.http, "metrics").text)
    exposed = {name: metric.type for name, metric in found.items() if name.startswith("zinfo_")}
    assert exposed == OWN
