"""NativeWriter: writes the samples of a reply natively, and in Python those that are left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Final, TypeAlias

from zinfo.info import parser
from zinfo.info.kinds import STATS_PREFIXES
from zinfo.info.parser import ALWAYS_LISTS
from zinfo.info.values import Value, read_line, reader_of
from zinfo.metrics.instance import instance_samples
from zinfo.metrics.label_sets import LabelSets
from zinfo.metrics.map_lines import NOT_FINITE
from zinfo.metrics.native_plan import NativePlan
from zinfo.metrics.page import Page
from zinfo.metrics.replication import replica_samples
from zinfo.metrics.sample import MAX_LABEL
from zinfo.metrics.samples import Sample, sampler_of
from zinfo.metrics.selection import label_text
from zinfo.metrics.shard_lines import ShardLines
from zinfo.metrics.shard_state import ShardFacts
from zinfo.metrics.writer import Writer
from zinfo.native.loader import native
from zinfo.security.rights import Rights
from zinfo.shards.snapshot import Snapshot

MAX_BYTES: Final = 128 * 1024
"""Largest reply that is written natively, in one call that takes about a millisecond."""

_MAX_TRIES: Final = 4  # the plan learns names first, and then parts of maps
_PIECE: Final = 100  # names or lines between two yield points
_MAX_LINE: Final = 512  # longest line whose samples are cached, in bytes

_Line: TypeAlias = "tuple[int, bytes, str]"  # a metric's number, labels in the text format, value


class NativeWriter:
    """Writes the samples of replies to a page.

    Args:
        page: receives the samples; it has a native part.
        lines: receives the lines that Python writes.
        writer: writes them.
        plan: what each field becomes.
        rights: of the client.
        yield_point: called between pieces of a large INFO; may yield to the event loop.
    """

    def __init__(
        self,
        page: Page,
        lines: ShardLines,
        writer: Writer,
        plan: NativePlan,
        rights: Rights,
        yield_point: Callable[[], None],
    ) -> None:
        assert page.native is not None
        self._page = page
        self._native = page.native
        self._lines = lines
        self._writer = writer
        self._plan = plan
        self._rights = rights
        self._yield_point = yield_point
        self._numbers: dict[str, int] = {}  # of metrics of samples that `add_sample` writes
        self._text = ""  # the labels of the shard
        self._shown: set[str] = set()  # its long names of maps

    def write(
        self,
        text: str,
        facts: ShardFacts,
        more: Sequence[Sample],
        snapshot: Snapshot,
        most: int,
    ) -> bool:
        """Write the samples of the shard that the page has started.

        Args:
            text: the labels of the shard, in the text format.
            facts: what is known about the shard, which replies.
            more: other samples about it.
            snapshot: its INFO.
            most: samples that the shard may have.

        Returns:
            Whether they are written. If not, nothing is: there are more than `most`, or a sample
            depends on several fields in a way that only Python knows.
        """
        if not snapshot.raw or len(snapshot.raw) > MAX_BYTES or len(facts.reason) > MAX_LABEL:
            return False
        self._text = text
        is_plain = True
        found = self._write_reply(snapshot, facts, is_plain)
        if found is None:
            self._native.undo()
            is_plain = False
            found = self._write_reply(snapshot, facts, is_plain)
        if found is None:
            self._native.undo()
            return False
        left, alone, is_info_left = found
        if more or alone:
            for sample in dict.fromkeys(chain(self._lines_of(more), self._alone(alone))):
                self._native.add_sample(*sample)
        if left or is_info_left:
            self._write_left(left, is_info_left, is_plain, snapshot)
        if self._native.written > most:
            self._native.undo()
            return False
        return True

    def _write_left(
        self, left: bytes, is_info_left: bool, is_plain: bool, snapshot: Snapshot
    ) -> None:
        samples = LabelSets(self._lines)
        fields = _ReplyFields(_fields_of(left), snapshot, self._rights)
        if is_info_left:
            samples.add(instance_samples(fields, snapshot.time))
        if not is_plain:
            samples.add(replica_samples(fields))
        self._writer.write_fields(samples, fields.read, fields, self._text)
        self._page.add(self._lines)

    def _lines_of(self, samples: Iterable[Sample]) -> Iterator[_Line]:
        for of, labels, value in samples:
            number = self._numbers.get(of.name)
            if number is None:
                number = self._numbers[of.name] = self._plan.numbers.exposed(of)
            if number >= 0:
                shown = NOT_FINITE.get(str(value), value)
                yield number, label_text(labels).encode("utf-8", "replace"), str(shown)

    def _alone(self, lines: bytes) -> Iterator[_Line]:
        """Yield the samples of lines that depend on the line alone."""
        if lines:
            for line in self._each(lines.split(b"\n")):
                found = self._plan.lines.get(line)
                if found is None:
                    found = tuple(self._lines_of(_samples_of(line)))
                    if len(line) <= _MAX_LINE:
                        self._plan.cache_line(line, found)
                yield from found

    def _write_reply(
        self, snapshot: Snapshot, facts: ShardFacts, is_plain: bool
    ) -> tuple[bytes, bytes, bool] | None:
        """Return what is left: two parts of the lines, and whether the server's own samples are.

        Args:
            snapshot: the INFO.
            facts: what is known about the shard.
            is_plain: whether the native part writes samples that depend on several fields.
        """
        for _try in range(_MAX_TRIES):
            self._shown.clear()
            found = self._native.write(
                self._plan.plan,
                snapshot.raw,
                int(snapshot.time),
                self._on_map,
                _labels(facts.state, facts.reason),
                facts.failures,
                facts.age or 0.0,
                is_plain,
            )
            if found is None:
                return None
            left, alone, names, maps, is_info_left, bad_lines = found
            if not names and not maps:
                snapshot.bad_lines = bad_lines  # is also shown for all shards together
                return left, alone, is_info_left
            self._native.undo()
            added = [self._plan.add_field(name) for name in self._each(set(names.split()))]
            added += [self._plan.add_parts(line) for line in self._each(set(maps.split(b"\n")))]
            if not all(added):
                return None
        return None

    def _each(self, texts: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the texts that are not empty, with yield points."""
        for place, text in enumerate(texts, start=1):
            if text:
                yield text
            if place % _PIECE == 0:
                self._yield_point()

    def _on_map(self, line: bytes) -> None:
        field = read_line(line)
        if field is not None:
            self._writer.write_map(*field, self._text, self._shown)
            self._page.add(self._lines)


def _samples_of(line: bytes) -> Iterable[Sample]:
    field = read_line(line)
    sampler = field and sampler_of(field[0])
    return sampler({}, *field) if field and sampler else ()


@lru_cache(maxsize=256)
def _labels(state: str, reason: str) -> bytes:
    """Return the labels of a state in the text format; few are different."""
    return label_text((("state", state), ("reason", reason))).encode("utf-8", "replace")


class _ReplyFields(Mapping[str, Value]):
    """All fields of a reply, of which only those that are asked for are parsed.

    Args:
        read: fields that are parsed already.
        snapshot: the reply.
        rights: of the client; fields that are hidden from it are missing.
    """

    def __init__(self, read: dict[str, Value], snapshot: Snapshot, rights: Rights) -> None:
        self.read = read
        self._snapshot = snapshot
        self._rights = rights

    def __getitem__(self, name: str) -> Value:
        if name in self.read:
            return self.read[name]
        if self._rights.hides(name):
            raise KeyError(name)
        if native is not None and name.isidentifier() and not name.startswith(STATS_PREFIXES):
            texts = native.find_fields(self._snapshot.raw, (name.encode(),))
            if texts is not None:
                (text,) = texts
                if text is None:
                    raise KeyError(name)
                return reader_of(name)(text)
        return self._snapshot.all_fields()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rights.visible_fields(self._snapshot.all_fields()))

    def __len__(self) -> int:
        return len(self._rights.visible_fields(self._snapshot.all_fields()))


def _fields_of(left: bytes) -> dict[str, Value]:
    """Parse some lines of a reply."""
    fields = [field for line in left.split(b"\n") if (field := read_line(line)) is not None]
    found = dict(fields)
    if len(found) < len(fields) or not found.keys().isdisjoint(ALWAYS_LISTS):
        return parser.parse(left).fields
    return found
