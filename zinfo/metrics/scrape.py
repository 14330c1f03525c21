"""Scrape: writes the INFO of many shards as text for Prometheus (`formats.py`).

`plan.py` says which field becomes which metric, `writer.py` writes the lines of a shard, and
`page.py` collects them. If there is a native part, `native_writer.py` has it write most of them
from the bytes of a reply, with the same result. prometheus_client makes an object for each of some
hundred thousand samples, which takes seconds; the tests use its parser to check this text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from zinfo.metrics.formats import TEXT, TextFormat
from zinfo.metrics.native_plan import native_plan
from zinfo.metrics.native_writer import NativeWriter
from zinfo.metrics.page import Numbers, Page
from zinfo.metrics.sample import Fields
from zinfo.metrics.samples import Labels, Sample
from zinfo.metrics.selection import Selection, label_text
from zinfo.metrics.shard_lines import ShardLines
from zinfo.metrics.shard_state import Reply, state_samples
from zinfo.metrics.shares import kept_lines
from zinfo.metrics.writer import Shard, Writer
from zinfo.security.rights import ALL_RIGHTS, Rights

EQUAL_SHARDS: Final = "shards with equal labels"
"""In `Scrape.cut`: shards left out because their labels are those of an earlier one."""

_RUN: Final = 32  # replies that the native part gets at once


class Scrape:
    """Collects the samples of shards, and returns them as text.

    Each label set of a metric stands once in the text.

    Args:
        selection: which metrics are exposed.
        yield_point: called between pieces of a large INFO; may yield to the event loop.
        rights: of the client; fields that are hidden from it have no samples.

    Attributes:
        cut: number of samples omitted because of `max_samples`, by metric.
    """

    def __init__(
        self,
        selection: Selection,
        yield_point: Callable[[], None] = lambda: None,
        rights: Rights = ALL_RIGHTS,
    ) -> None:
        self._most = selection.max_samples
        self._yield_point = yield_point
        self._rights = rights
        plan = native_plan(selection, rights)
        self._page = Page(Numbers(selection) if plan is None else plan.numbers)
        self._lines = ShardLines(selection)
        self._writer = Writer(self._lines, yield_point)
        self._native = (
            None
            if plan is None
            else NativeWriter(self._page, self._lines, self._writer, plan, rights, yield_point)
        )
        self._shards: set[str] = set()  # their labels
        self._replies: list[Reply] = []  # that are not written yet
        self.cut: Counter[str] = Counter()

    def add(
        self,
        labels: Labels,
        state_samples: Iterable[Sample],
        fields: Fields | None = None,
        time: float = 0.0,
    ) -> None:
        """Add one shard.

        Args:
            labels: of the shard; a shard with the labels of an earlier one is omitted and counted.
            state_samples: samples about the shard, which `max_samples` omits last.
            fields: its INFO without hidden fields; None if there is no current one.
            time: wall clock of the INFO's arrival, seconds since the Unix epoch.
        """
        self.add_text(label_text(labels), state_samples, fields, time)

    def add_text(
        self,
        text: str,
        state_samples: Iterable[Sample],
        fields: Fields | None = None,
        time: float = 0.0,
    ) -> None:
        """Add one shard, given its labels in the text format; otherwise as `add`."""
        if self._is_new(text):
            self.write_replies()
            self._page.start_shard(text)
            self._add(Shard(text, tuple(state_samples), fields, time))

    def add_reply(self, reply: Reply) -> None:
        """Add one shard that replies; `write_replies` writes its samples, or the next call."""
        if not self._is_new(reply.text):
            return
        self._replies.append(reply)
        if len(self._replies) >= _RUN:
            self.write_replies()

    def write_replies(self) -> None:
        """Write the samples of the shards that `add_reply` has added."""
        if not self._replies:
            return
        replies, self._replies = self._replies, []
        if self._native is None:
            for reply in replies:
                self._page.start_shard(reply.text)
                self._add_fields(reply)
        else:
            for reply in self._native.write(replies, self._most):
                self._add_fields(reply)

    def pieces(self, text_format: TextFormat = TEXT) -> Iterator[bytes]:
        """Yield the text in pieces, without the end of the page."""
        return self._page.pieces(text_format)

    def size(self) -> int:
        """Return the bytes that the samples take in memory."""
        return self._page.size()

    def _is_new(self, text: str) -> bool:
        """Return whether no shard before has these labels."""
        if text in self._shards:
            self.cut[EQUAL_SHARDS] += 1
            return False
        self._shards.add(text)
        return True

    def _add_fields(self, reply: Reply) -> None:
        """Add a shard whose reply is parsed."""
        snapshot = reply.snapshot
        fields: Fields = snapshot.all_fields()
        if self._rights.hidden_fields:
            fields = self._rights.visible_fields(fields)
        state = (*state_samples(reply.facts, snapshot.bad_lines), *reply.more)
        self._add(Shard(reply.text, state, fields, snapshot.time))

    def _add(self, shard: Shard) -> None:
        self._writer.write(shard)
        if self._lines.count() > self._most:
            self._cut(shard)
        self._page.add(self._lines)

    def _cut(self, shard: Shard) -> None:
        """Remove as many lines of a shard as there are over `max_samples`."""
        first = {sample.family.name for sample in shard.state}
        kept = list(kept_lines(self._lines.families(), shard.text, first, self._most))
        for of, metric, lines, omitted in kept:
            self._yield_point()
            found = self._lines.lines_of(of)
            if omitted and found is not None:
                found.keep(lines)
                self.cut[metric] += omitted
