"""The two text formats of a page of metrics: how a metric begins, and how the page ends. Pure.

Both have the same samples with the same names and labels, so that a scraper may change from one to
the other. They differ in what surrounds the samples:

- Prometheus text format 0.0.4:
  https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
- OpenMetrics 1.0.0:
  https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from zinfo.metrics.exporter_table import ROWS
from zinfo.metrics.names import DEPRECATED, Family
from zinfo.metrics.samples import FAMILIES

_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})  # HELP contains names of fields
_OPEN_METRICS_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})

_TOTAL: Final = "_total"
_CREATED: Final = "_created"
_KEPT_NAMES: Final = frozenset(of.name for of in DEPRECATED.values())
_COUNTERS: Final = {row.name for row in ROWS if row.kind == "counter"} | {
    of.name for of in FAMILIES if of.kind == "counter"
}
_STEMS: Final = {
    name: stem
    for name in _COUNTERS
    if (stem := name.removesuffix(_TOTAL)) != name and stem not in _KEPT_NAMES
}
"""The names of counters in OpenMetrics, which are without `_total`, by their names elsewhere."""
_RESERVED: Final = {stem + suffix for stem in _STEMS.values() for suffix in ("", _CREATED)}
"""Names that belong to these counters in OpenMetrics. No metric of the tables has one of them."""

# Ends of lines whose number is no count; labels may contain them, too. All counters of a page are
# searched: this pattern takes half of the time of two searches for bytes.
_NO_COUNT: Final = re.compile(rb"\} [-N]")


class TextFormat:
    """Prometheus' text format 0.0.4.

    Attributes:
        media_type: its name.
        version: its version, a parameter of the media type.
        end: what the page ends with.
    """

    media_type: str = "text/plain"
    version: str = "0.0.4"
    end: bytes = b""

    @property
    def content_type(self) -> str:
        """Value of the header `Content-Type`."""
        return f"{self.media_type}; version={self.version}; charset=utf-8"

    def includes(self, of: Family) -> bool:
        """Return whether a page may have this metric."""
        del of
        return True

    def head(self, of: Family, suffix: str = "") -> bytes:
        """Return the lines before the samples that have one name.

        Args:
            of: the metric.
            suffix: of the samples' name: `_sum` or `_count` in a summary. The samples without a
                suffix come first.
        """
        if suffix:
            return b""
        return _head(*of, escapes_quotes=False)

    def allows_all(self, of: Family) -> bool:
        """Return whether the format allows any sample of a metric."""
        del of
        return True

    def samples(self, of: Family, lines: bytes) -> bytes:
        """Return the samples that the format allows.

        Args:
            of: the metric.
            lines: some of its lines, each with its LF. HELP and TYPE may stand before them.
        """
        del of
        return lines


class OpenMetricsFormat(TextFormat):
    """OpenMetrics 1.0.0, without `_created`, exemplars and units.

    - A counter whose name does not end with `_total` has the type `unknown`, as in Prometheus' own
      library (`MetricFamilyToOpenMetrics` in github.com/prometheus/common/expfmt). So has a counter
      whose name without `_total` is the deprecated name of a gauge.
    - A summary is three metrics of the type `unknown`: its quantiles, `_sum` and `_count`. A
      summary's `quantile` must be from 0 to 1, and redis_exporter's are percentiles (`99.9`), on
      which dashboards rely.
    - A metric that only has the name of a field, and whose name belongs to a counter here
      (`redis_keyspace_hits` to `redis_keyspace_hits_total`), is left out, and so is a sample of a
      counter that is negative or NaN. A parser may reject a whole page for either of them.

    Args:
        version: 1.0.0, or 0.0.1 for an old scraper, whose pages are the same.
    """

    media_type = "application/openmetrics-text"
    end = b"# EOF\n"

    def __init__(self, version: str = "1.0.0") -> None:
        self.version = version

    def includes(self, of: Family) -> bool:
        """Return whether a page may have this metric."""
        return of.name not in _RESERVED

    def head(self, of: Family, suffix: str = "") -> bytes:
        """Return the lines before the samples that have one name."""
        name, kind, text = of
        if kind == "summary":
            name, kind = name + suffix, "unknown"
        elif kind == "counter":
            kind = "counter" if name in _STEMS else "unknown"
            name = _STEMS.get(name, name)
        return _head(name, kind, text, escapes_quotes=True)

    def allows_all(self, of: Family) -> bool:
        """Return whether the format allows any sample of a metric."""
        return of.name not in _STEMS

    def samples(self, of: Family, lines: bytes) -> bytes:
        """Return the samples that the format allows."""
        if of.name not in _STEMS or _NO_COUNT.search(lines) is None:
            return lines
        return b"".join([line for line in lines.splitlines(keepends=True) if _is_count(line)])


def _is_count(line: bytes) -> bool:
    return line.startswith(b"#") or not line.rpartition(b" ")[2].startswith((b"-", b"NaN"))


@lru_cache(maxsize=2048)
def _head(name: str, kind: str, text: str, *, escapes_quotes: bool) -> bytes:
    """Return the lines before the samples of a metric, which are the same in each page."""
    text = text.translate(_OPEN_METRICS_ESCAPES if escapes_quotes else _HELP_ESCAPES)
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode("utf-8", "replace")


TEXT: Final = TextFormat()
"""The format for any client that does not ask for the other one."""
OPEN_METRICS: Final = OpenMetricsFormat()
"""The format for clients that ask for it."""
OPEN_METRICS_0_0_1: Final = OpenMetricsFormat("0.0.1")
"""The same for clients that ask for its draft: Prometheus sends both."""
