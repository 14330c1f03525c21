"""Reading the text formats of Prometheus, with its own library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]


_parse_open_metrics: Callable[[str], Iterable[Metric]] = openmetrics.text_string_to_metric_families


def open_metrics(text: str) -> list[Metric]:
    """Return the metrics of a text in OpenMetrics, read by a strict parser."""
    return list(_parse_open_metrics(text))


def families(text: str) -> dict[str, Metric]:
    """Return the metrics of a text by their name after `# TYPE`."""
    found = {(one.name, one.type): one for one in text_string_to_metric_families(text)}
    # The parser removes `_total` from the name of a counter; some counters, such as
    # `redis_total_error_replies`, do not end with it.
    types = dict(line.split(" ")[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
    by_type_name: dict[str, Metric] = {}
    for name, kind in types.items():
        key = name, kind
        by_type_name[name] = found[key if key in found else (name.removesuffix("_total"), kind)]
    return by_type_name


def samples(text: str, without: Iterable[str] = ()) -> Samples:
    """Return all samples of a text by name and labels.

    Args:
        text: the text.
        without: labels that are left out.

    Raises:
        AssertionError: two samples have one name and the same labels.
    """
    left_out = frozenset(without)
    found: Samples = {}
    for metric in text_string_to_metric_families(text):
        for sample in metric.samples:
            key = sample.name, _labels(sample.labels, left_out)
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def _labels(labels: Mapping[str, str], left_out: frozenset[str]) -> Labels:
    return frozenset((name, value) for name, value in labels.items() if name not in left_out)
