"""metrics.md agrees with the exposed metrics: renamed fields, labels, zinfo's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.http.requests import fetch
from tests.daemons import ROOT, RunningDaemon
from tests.info_texts import TEXTS
from tests.metrics.texts import families, samples
from tests.servers import RealServer
from zinfo.config import check_file
from zinfo.info import parser
from zinfo.metrics.names import PREFIX, family_of, has_renamed_source
from zinfo.metrics.samples import UP, Sample, has_other_source, has_parts
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection

PAGE = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[tuple[str, ...]]:
    """Return the cells of each row of the table with this heading."""
    (table,) = re.findall(rf"\n\| {heading} .*?\n\|[-|]+\n(.*?)\n\n", PAGE, re.DOTALL)
    return [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.split("\n")
    ]


RENAMED = {row[0].strip("`"): row[1:] for row in rows("field")}
LABELLED = {row[0].strip("`"): row[1:] for row in rows(r"metric \| type \| labels")}
OWN = {row[0].strip("`"): row[1] for row in rows(r"metric \| type \| meaning")}


def plain_fields() -> Iterator[tuple[str, str]]:
    """Yield each field of the stored texts with a number, and the text that has it."""
    for text, raw in TEXTS.items():
        for field, value in parser.parse(raw).fields.items():
            if isinstance(value, (int, float)) and not has_parts(field):
                yield field, text


@pytest.mark.parametrize("field", RENAMED)
def test_a_field_has_the_metric_and_type_of_its_row(field: str) -> None:
    name, kind, _help = family_of(field)
    assert RENAMED[field] == (f"`{name}`", kind)


def test_each_field_with_another_name_or_type_has_a_row() -> None:
    for field, text in plain_fields():
        of = family_of(field)
        other = (of.name, of.kind) != (PREFIX + re.sub("[^a-zA-Z0-9_]", "_", field), "gauge")
        taken = has_other_source(field, of) or has_renamed_source(field, of)
        assert not other or taken or field in RENAMED, (field, text)


def test_each_metric_with_labels_has_a_row_with_them() -> None:
    numbers = {family_of(field).name for field, _text in plain_fields()}
    for raw in TEXTS.values():
        scrape = Scrape(Selection())
        scrape.add([], [Sample(UP, (), 1)], parser.parse(raw).fields, 1.0)
        text = b"".join(scrape.pieces()).decode()
        kinds = {name: metric.type for name, metric in families(text).items()}
        for (sample, labels), _value in samples(text).items():
            name = re.sub("_(sum|count|total)$", "", sample) if sample not in kinds else sample
            if name not in LABELLED:
                assert name in numbers, name
                assert not labels, (name, labels)
                continue
            assert kinds[name] == LABELLED[name][0]
            assert {label for label, _text in labels} <= labels_of(name), name


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
    with RealServer() as server, RunningDaemon([server.url], http=True) as daemon:
        daemon.wait_polled(1)
        found = families(fetch(daemon.http, "metrics").text)
    exposed = {name: metric.type for name, metric in found.items() if name.startswith("zinfo_")}
    assert exposed == OWN
