"""Scrape: writes the INFO of many shards as text for Prometheus (`formats.py`).

`plan.py` says which field becomes which metric, `writer.py` writes the lines of a shard, and
`page.py` collects them. prometheus_client makes an object for each of some hundred thousand
samples, which takes seconds; the tests use its parser to check this text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from zinfo.info.values import Value
from zinfo.metrics.formats import TEXT, TextFormat
from zinfo.metrics.page import Page
from zinfo.metrics.samples import Labels, Sample
from zinfo.metrics.selection import Selection, label_text
from zinfo.metrics.shares import kept_lines
from zinfo.metrics.writer import Shard, Writer

EQUAL_SHARDS: Final = "shards with equal labels"
"""In `Scrape.cut`: shards left out because their labels are those of an earlier one."""


class Scrape:
    """Collects the samples of shards, and returns them as text.

    Each label set of a metric stands once in the text.

    Args:
        selection: which metrics are exposed.
        yield_point: called between pieces of a large INFO; may yield to the event loop.

    Attributes:
        cut: number of samples omitted because of `max_samples`, by metric.
    """

    def __init__(
        self, selection: Selection, yield_point: Callable[[], None] = lambda: None
    ) -> None:
        self._selection = selection
        self._yield_point = yield_point
        self._page = Page(selection)
        self._writer = Writer(self._page, yield_point)
        self._shards: set[str] = set()  # their labels
        self.cut: Counter[str] = Counter()

    def add(
        self,
        labels: Labels,
        state_samples: Iterable[Sample],
        fields: Mapping[str, Value] | None = None,
        time: float = 0.0,
    ) -> None:
        """Add one shard.

        Args:
            labels: of the shard; a shard with the labels of an earlier one is omitted and counted.
            state_samples: samples about the shard, which `max_samples` omits last.
            fields: its INFO; None if there is no current one.
            time: wall clock of the INFO's arrival, seconds since the Unix epoch.
        """
        shard = Shard(label_text(labels), tuple(state_samples), fields, time)
        if shard.text in self._shards:
            self.cut[EQUAL_SHARDS] += 1
            return
        self._shards.add(shard.text)
        if not self._writer.write(shard, self._selection.max_samples):
            self._write_some(shard)

    def pieces(self, text_format: TextFormat = TEXT) -> Iterator[bytes]:
        """Yield the text in pieces, without the end of the page."""
        return self._page.pieces(text_format)

    def _write_some(self, shard: Shard) -> None:
        """Write as many samples of a shard as `max_samples` allows."""
        own = Page(self._selection)
        Writer(own, self._yield_point).write(shard, None)
        first = {sample.family.name for sample in shard.state}
        kept = kept_lines(own.families(), shard.text, first, self._selection.max_samples)
        for of, metric, lines, omitted in kept:
            self._yield_point()
            family_lines = self._page.lines_of(of)
            if family_lines is not None:
                family_lines.add(lines)
            if omitted:
                self.cut[metric] += omitted
