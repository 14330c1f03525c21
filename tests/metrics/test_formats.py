"""The two text formats: each parser accepts each page, and both have the same samples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import Metric

from tests.metrics.scraped import INFO_TEXTS, odd_scrape, scrape_of_all_texts
from tests.metrics.texts import Samples, families, open_metrics, samples
from zinfo.info import parser
from zinfo.metrics.exporter_table import ROWS
from zinfo.metrics.formats import OPEN_METRICS, TEXT, TextFormat
from zinfo.metrics.names import Family
from zinfo.metrics.samples import FAMILIES, UP, Sample
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection


def scrape_of(*replies: bytes | str, selection: Selection | None = None) -> Scrape:
    scrape = Scrape(selection or Selection())
    for place, reply in enumerate(replies):
        raw = reply.encode() if isinstance(reply, str) else reply
        labels = [("instance", f"s{place}")]
        scrape.add(labels, [Sample(UP, (), 1)], parser.parse(raw).fields, 1000.0)
    return scrape


def text_of(scrape: Scrape, text_format: TextFormat) -> str:
    return b"".join((*scrape.pieces(text_format), text_format.end)).decode()


def parsed(scrape: Scrape) -> dict[str, Metric]:
    """Return the metrics in OpenMetrics as a strict parser reads them."""
    return {one.name: one for one in open_metrics(text_of(scrape, OPEN_METRICS))}


def samples_of(metrics: dict[str, Metric]) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in metrics.values()
        for sample in metric.samples
    }


@pytest.mark.parametrize("path", INFO_TEXTS, ids=lambda path: path.stem)
def test_both_formats_have_the_same_samples(path: Path) -> None:
    scrape = scrape_of(path.read_bytes(), "redis_version:1\r\n")
    # The parser of the text format adds `_total` to the names of counters that lack it.
    text = re.sub(r"(?m)^(# TYPE \w+)(?<!_total) counter$", r"\1 gauge", text_of(scrape, TEXT))
    plain = samples(text)
    for metric in families(text).values():
        for one in metric.samples:
            if metric.type == "counter" and not one.value >= 0:  # Dragonfly's rejected_connections
                del plain[one.name, frozenset(one.labels.items())]
    assert len(plain) > 3
    assert repr(samples_of(parsed(scrape))) == repr(plain)  # a NaN does not equal itself


def test_a_counter_is_named_without_total_and_its_samples_with_it() -> None:
    scrape = scrape_of("keyspace_hits:7\r\n")
    text = text_of(scrape, OPEN_METRICS)
    assert "# TYPE redis_keyspace_hits counter\nredis_keyspace_hits_total{" in text
    assert text.endswith("\n# EOF\n")
    assert parsed(scrape)["redis_keyspace_hits"].type == "counter"
    assert "# TYPE redis_keyspace_hits_total counter\n" in text_of(scrape, TEXT)


def test_a_counter_without_total_in_its_name_is_unknown() -> None:
    scrape = scrape_of("total_error_replies:7\r\n")
    assert parsed(scrape)["redis_total_error_replies"].type == "unknown"
    assert "# TYPE redis_total_error_replies counter\n" in text_of(scrape, TEXT)


def test_a_counter_that_has_a_deprecated_name_as_well_is_unknown() -> None:
    found = parsed(scrape_of("eventloop_cycles:7\r\n"))
    assert found["redis_eventloop_cycles_total"].type == "unknown"
    assert found["redis_eventloop_cycles"].type == "gauge"


def test_percentiles_are_metrics_of_unknown_type_with_the_same_labels() -> None:
    lines = ("cmdstat_get:calls=3,usec=70", "latency_percentiles_usec_get:p50=1,p99.9=2")
    scrape = scrape_of("\r\n".join(lines), "\r\n".join(lines))
    found = parsed(scrape)
    name = "redis_latency_percentiles_usec"
    assert {found[name + suffix].type for suffix in ("", "_sum", "_count")} == {"unknown"}
    assert {one.labels["quantile"] for one in found[name].samples} == {"50", "99.9"}
    assert [one.value for one in found[f"{name}_sum"].samples] == [70, 70]
    assert samples_of(found) == samples(text_of(scrape, TEXT))


def test_a_summary_without_quantiles_has_its_sum_and_count() -> None:
    lines = ("cmdstat_get:calls=3,usec=70", "latency_percentiles_usec_get:x=1")
    scrape = scrape_of("\r\n".join(lines))
    found = samples(text_of(scrape, TEXT))
    assert {name for name, _labels in found if "percentiles" in name} == {
        "redis_latency_percentiles_usec_sum",
        "redis_latency_percentiles_usec_count",
    }
    assert samples_of(parsed(scrape)) == found


@pytest.mark.parametrize("field", ["keyspace_hits", "keyspace_hits_created", "io_thread_reads"])
def test_a_field_with_the_name_of_a_counter_is_left_out_of_openmetrics(field: str) -> None:
    other = "keyspace_misses:2\r\nio_thread_0:clients=1,reads=2,writes=3\r\n"
    scrape = scrape_of(f"{other}redis_{field}:1\r\n{field}:1\r\n", other)
    found = samples_of(parsed(scrape))
    assert ("redis_keyspace_misses_total", frozenset({("instance", "s0")})) in found


@pytest.mark.parametrize("number", ["-1", "-0.5", "nan", "-nan"])
def test_a_counter_that_is_no_count_is_left_out_of_openmetrics(number: str) -> None:
    scrape = scrape_of(f"keyspace_hits:{number}\r\n", "keyspace_hits:7\r\n", "keyspace_hits:0\r\n")
    metric = parsed(scrape)["redis_keyspace_hits"]
    assert {one.labels["instance"]: one.value for one in metric.samples} == {"s1": 7, "s2": 0}
    if not number.endswith("nan"):
        in_text = samples(text_of(scrape, TEXT))
        assert in_text["redis_keyspace_hits_total", frozenset({("instance", "s0")})] < 0


def test_a_label_that_looks_like_a_negative_number_leaves_nothing_out() -> None:
    scrape = scrape_of("cmdstat_a} -1:calls=2\r\ncmdstat_b:calls=-2\r\ncmdstat_c} nan:calls=3")
    metric = parsed(scrape)["redis_commands"]
    assert {one.labels["cmd"]: one.value for one in metric.samples} == {"a} -1": 2, "c} nan": 3}


def test_no_metric_of_the_tables_is_left_out() -> None:
    of_tables = {Family(row.name, row.kind, "") for row in ROWS} | FAMILIES
    assert [of.name for of in of_tables if not OPEN_METRICS.includes(of)] == []


def test_any_byte_in_names_and_values_is_read_by_both_parsers() -> None:
    scrape = odd_scrape()
    assert samples_of(parsed(scrape)) == samples(text_of(scrape, TEXT))


def test_servers_of_all_kinds_are_in_one_page() -> None:
    instances = {
        dict(labels)["instance"] for _name, labels in samples_of(parsed(scrape_of_all_texts()))
    }
    assert len(instances) == len(INFO_TEXTS)


def test_help_is_escaped_as_each_format_wants_it() -> None:
    scrape = scrape_of('a"b\\c:1\r\n')
    assert "# HELP redis_a_b_c INFO's a\"b\\\\c\n" in text_of(scrape, TEXT)
    assert "# HELP redis_a_b_c INFO's a\\\"b\\\\c\n" in text_of(scrape, OPEN_METRICS)
    assert parsed(scrape)["redis_a_b_c"].documentation == "INFO's a\"b\\c"


def test_a_limit_on_samples_holds_for_summaries() -> None:
    lines = "\r\n".join(
        f"cmdstat_{name}:calls=1,usec=2\r\nlatency_percentiles_usec_{name}:p50=1,p99=2"
        for name in "abcdefgh"
    )
    scrape = scrape_of(lines, selection=Selection(max_samples=30))
    found = samples(text_of(scrape, TEXT))
    assert len(found) == 30
    assert samples_of(parsed(scrape)) == found
    assert any(name.endswith("usec_sum") for name, _labels in found)
