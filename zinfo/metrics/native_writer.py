"""NativeWriter: writes the samples of replies natively, and in Python those that are left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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
from zinfo.metrics.samples import Sample, sampler_of
from zinfo.metrics.selection import label_text
from zinfo.metrics.shard_lines import ShardLines
from zinfo.metrics.shard_state import Reply
from zinfo.metrics.writer import Writer
from zinfo.native.loader import Missing, native
from zinfo.security.rights import Rights
from zinfo.shards.snapshot import Snapshot

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
        self._most = 0  # samples of a shard
        self._replies: list[Reply] = []  # that the native part has
        self._place = -1  # of the one that `shown` is about
        self._shown: set[str] = set()  # its long names of maps

    def write(self, replies: list[Reply], most: int) -> Iterator[Reply]:
        """Start the shards of replies, and write the samples.

        Args:
            replies: the replies.
            most: samples that a shard may have.

        Yields:
            Those whose samples are not written, when they are the last ones of the page: there are
            more than `most`, or one depends on several fields in a way that only Python knows.
        """
        self._most = most
        place = 0
        while place < len(replies):
            first = place
            place, missing = self._call(replies, place)
            whole = place if missing is None else place - 1
            for reply in replies[first:whole]:
                reply.snapshot.bad_lines = 0  # is also shown for all shards together
            if missing is not None and not self._complete(replies[place - 1], missing):
                yield replies[place - 1]
            self._yield_point()

    def _complete(self, reply: Reply, missing: Missing) -> bool:
        """Write what is missing of the last reply; return whether that is possible."""
        is_plain = True
        found = self._learn(reply, missing, is_plain)
        if found is None:
            self._native.undo()
            is_plain = False
            found = self._learn(reply, self._write_again(reply, is_plain), is_plain)
        if found is None:
            self._native.undo()
            return False
        left, alone, is_info_left = found
        if reply.more or alone:
            for sample in dict.fromkeys(chain(self._lines_of(reply.more), self._alone(alone))):
                self._native.add_sample(*sample)
        if left or is_info_left:
            self._write_left(left, is_info_left, is_plain, reply)
        if self._native.written > self._most:
            self._native.undo()
            return False
        return True

    def _write_left(self, left: bytes, is_info_left: bool, is_plain: bool, reply: Reply) -> None:
        snapshot = reply.snapshot
        samples = LabelSets(self._lines)
        fields = _ReplyFields(_fields_of(left), snapshot, self._rights)
        if is_info_left:
            samples.add(instance_samples(fields, snapshot.time))
        if not is_plain:
            samples.add(replica_samples(fields))
        self._writer.write_fields(samples, fields.read, fields, reply.text)
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

    def _learn(
        self, reply: Reply, missing: Missing | None, is_plain: bool
    ) -> tuple[bytes, bytes, bool] | None:
        """Add unknown names to the plan, and write the reply again, until all are known.

        Args:
            reply: the last reply.
            missing: what is missing of it.
            is_plain: whether the native part writes samples that depend on several fields.

        Returns:
            Two parts of the lines that Python writes, and whether it writes the server's own
            samples; None if the native part cannot write the reply.
        """
        for _try in range(_MAX_TRIES):
            if missing is None:
                reply.snapshot.bad_lines = 0
                return b"", b"", False
            if not missing:
                return None
            left, alone, names, maps, is_info_left, bad_lines = missing
            if not names and not maps:
                reply.snapshot.bad_lines = bad_lines
                return left, alone, is_info_left
            self._native.undo()
            added = [self._plan.add_field(name) for name in self._each(set(names.split()))]
            added += [self._plan.add_parts(line) for line in self._each(set(maps.split(b"\n")))]
            if not all(added):
                return None
            missing = self._write_again(reply, is_plain)
        return None

    def _write_again(self, reply: Reply, is_plain: bool) -> Missing | None:
        return self._call([reply], 0, is_plain=is_plain, is_started=True)[1]

    def _call(
        self, replies: list[Reply], place: int, *, is_plain: bool = True, is_started: bool = False
    ) -> tuple[int, Missing | None]:
        self._replies, self._place = replies, -1
        return self._native.write(
            self._plan.plan, replies, place, self._on_map, self._most, is_plain, is_started
        )

    def _each(self, texts: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the texts that are not empty, with yield points."""
        for place, text in enumerate(texts, start=1):
            if text:
                yield text
            if place % _PIECE == 0:
                self._yield_point()

    def _on_map(self, line: bytes, place: int) -> None:
        if place != self._place:
            self._place = place
            self._shown.clear()
        field = read_line(line)
        if field is not None:
            self._writer.write_map(*field, self._replies[place].text, self._shown)
            self._page.add(self._lines)


def _samples_of(line: bytes) -> Iterable[Sample]:
    field = read_line(line)
    sampler = field and sampler_of(field[0])
    return sampler({}, *field) if field and sampler else ()


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
