"""NativeWriter: writes the samples of a reply natively, and in Python those that are left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from zinfo.info import parser
from zinfo.info.kinds import STATS_PREFIXES
from zinfo.info.parser import ALWAYS_LISTS
from zinfo.info.values import Value, read_line, reader_of
from zinfo.metrics.instance import instance_samples
from zinfo.metrics.label_sets import LabelSets
from zinfo.metrics.native_plan import NativePlan
from zinfo.metrics.page import Page
from zinfo.metrics.replication import replica_samples
from zinfo.metrics.sample import Fields
from zinfo.metrics.samples import Sample
from zinfo.metrics.shard_lines import ShardLines
from zinfo.metrics.writer import Writer
from zinfo.native.loader import native
from zinfo.security.rights import Rights

MAX_BYTES: Final = 128 * 1024
"""Largest reply that is written natively, in one call that takes about a millisecond."""

_MAX_TRIES: Final = 4  # the plan learns names first, and then parts of maps


class NativeWriter:
    """Writes the samples of replies to a page.

    Args:
        page: receives the samples; it has a native part.
        lines: receives the lines that Python writes.
        writer: writes them.
        plan: what each field becomes.
        rights: of the client.
    """

    def __init__(
        self, page: Page, lines: ShardLines, writer: Writer, plan: NativePlan, rights: Rights
    ) -> None:
        assert page.native is not None
        self._page = page
        self._native = page.native
        self._lines = lines
        self._writer = writer
        self._plan = plan
        self._rights = rights
        self._text = ""  # the labels of the shard
        self._shown: set[str] = set()  # its long names of maps

    def write(
        self,
        text: str,
        state: Sequence[Sample],
        raw: bytes,
        time: float,
        parse: Callable[[], Fields],
        most: int,
    ) -> bool:
        """Write the samples of the shard that the page has started.

        Args:
            text: the labels of the shard, in the text format.
            state: samples about the shard.
            raw: the reply.
            time: wall clock of its arrival, seconds since the Unix epoch.
            parse: returns all fields.
            most: samples that the shard may have.

        Returns:
            Whether they are written. If not, nothing is: there are more than `most`, or a sample
            depends on several fields in a way that only Python knows.
        """
        if not raw or len(raw) > MAX_BYTES:
            return False
        self._text = text
        found = self._write_reply(raw, int(time))
        if found is None:
            self._native.undo()
            return False
        left, is_info_left = found
        samples = LabelSets(self._lines)
        samples.add(state)
        if left or is_info_left:
            fields = _ReplyFields(_fields_of(left), raw, parse, self._rights)
            if is_info_left:
                samples.add(instance_samples(fields, time))
            samples.add(replica_samples(fields))
            self._writer.write_fields(samples, fields.read, fields, text)
        else:
            samples.write(text)
        self._page.add(self._lines)
        if self._native.written > most:
            self._native.undo()
            return False
        return True

    def _write_reply(self, raw: bytes, now: int) -> tuple[bytes, bool] | None:
        """Return the lines that are left, and whether the samples about the server are."""
        for _try in range(_MAX_TRIES):
            self._shown.clear()
            found = self._native.write(self._plan.plan, raw, now, self._on_map)
            if found is None:
                return None
            left, names, maps, is_info_left = found
            if not names and not maps:
                return left, is_info_left
            self._native.undo()
            added = [self._plan.add_field(name) for name in set(names.split())]
            added += [self._plan.add_parts(line) for line in set(maps.split(b"\n")) - {b""}]
            if not all(added):
                return None
        return None

    def _on_map(self, line: bytes) -> None:
        field = read_line(line)
        if field is not None:
            self._writer.write_map(*field, self._text, self._shown)
            self._page.add(self._lines)


class _ReplyFields(Mapping[str, Value]):
    """All fields of a reply, of which only those that are asked for are parsed.

    Args:
        read: fields that are parsed already.
        raw: the reply.
        parse: returns all fields.
        rights: of the client; fields that are hidden from it are missing.
    """

    def __init__(
        self,
        read: dict[str, Value],
        raw: bytes,
        parse: Callable[[], Fields],
        rights: Rights,
    ) -> None:
        self.read = read
        self._raw = raw
        self._parse = parse
        self._rights = rights

    def __getitem__(self, name: str) -> Value:
        if name in self.read:
            return self.read[name]
        if self._rights.hides(name):
            raise KeyError(name)
        if native is not None and name.isidentifier() and not name.startswith(STATS_PREFIXES):
            texts = native.find_fields(self._raw, (name.encode(),))
            if texts is not None:
                (text,) = texts
                if text is None:
                    raise KeyError(name)
                return reader_of(name)(text)
        return self._parse()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rights.visible_fields(self._parse()))

    def __len__(self) -> int:
        return len(self._rights.visible_fields(self._parse()))


def _fields_of(left: bytes) -> dict[str, Value]:
    """Parse some lines of a reply."""
    fields = [field for line in left.split(b"\n") if (field := read_line(line)) is not None]
    found = dict(fields)
    if len(found) < len(fields) or not found.keys().isdisjoint(ALWAYS_LISTS):
        return parser.parse(left).fields
    return found
