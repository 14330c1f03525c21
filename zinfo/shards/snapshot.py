"""One INFO reply of one shard: stored raw, parsed on first use, encoded at most once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zinfo.info import parser
from zinfo.info.delta import Delta, diff
from zinfo.info.encoder import Fields, encode_deltas, encode_fields, pack_pairs
from zinfo.info.field_reader import FieldReader, find_field
from zinfo.info.lines import count_bad_lines, has_fields
from zinfo.info.parser import Info, Layout, Value
from zinfo.info.selections import Selections
from zinfo.info.server_version import ServerVersion, find_version, version_of
from zinfo.info.text import read_text
from zinfo.native.loader import native
from zinfo.wire.codec import unpack

_ALL_FIELDS = Selections()


class Snapshot:
    """An INFO reply with its revision and times.

    Args:
        raw: the reply as the server sent it; empty where a client gave parsed fields instead.
        revision: number of the reply, +1 at every successful poll of the shard.
        time: wall clock of its arrival, seconds since the Unix epoch.
        at: monotonic clock of its arrival, seconds; ages are counted from here.
        previous: the shard's previous snapshot; most likely it has the same layout.
    """

    __slots__ = (
        "_bad_lines",
        "_encoded",
        "_layout",
        "_likely_layout",
        "_parsed",
        "at",
        "raw",
        "revision",
        "time",
    )

    def __init__(
        self, raw: bytes, revision: int, time: float, at: float, previous: Snapshot | None = None
    ) -> None:
        self.raw = raw
        self.revision = revision
        self.time = time
        self.at = at
        self._bad_lines: int | None = None
        self._layout: Layout | None = None  # set once it is known to be the layout of this reply
        self._likely_layout: Layout | None = (
            previous._layout or previous._likely_layout if previous else None
        )
        self._parsed: Info | None = None
        self._encoded: Fields | None = None
        if native is not None:
            # Each poll replaces one snapshot by another, so that the collector, which counts
            # objects, does not run. Thousands of new ones would be visited by the first collection
            # of other work, which took 10 to 25 ms with 10,000 shards. No cycle leads through one.
            native.untrack(self)

    @classmethod
    def from_fields(
        cls, fields: Mapping[str, object], revision: int, time: float, at: float
    ) -> Snapshot:
        """Return a snapshot of fields that a client library parsed; it has no sections.

        Values that msgpack cannot represent become text.
        """
        snapshot = cls(b"", revision, time, at)
        plain = {str(name): _plain(value) for name, value in fields.items()}
        snapshot._parsed = Info(b"", plain, {}, Layout.of(()))
        return snapshot

    @property
    def info(self) -> Info:
        """The parsed reply."""
        if self._parsed is None:
            self._parsed = parser.parse(self.raw)
            self._layout = self._parsed.layout
        return self._parsed

    def all_fields(self) -> dict[str, Value]:
        """Return all fields without caching the parse, which takes seven times the reply's memory.

        Treat the dict as read-only: it may be the cached one.
        """
        if self._parsed is not None or not self.raw:
            return self.info.fields
        fields: Any = unpack(self.encoded().as_map())
        assert isinstance(fields, dict)
        return fields

    @property
    def bad_lines(self) -> int:
        """Lines that are neither a field nor a header, a comment or blank."""
        if self._bad_lines is None:
            self._bad_lines = count_bad_lines(self.raw)
        return self._bad_lines

    @bad_lines.setter
    def bad_lines(self, count: int) -> None:
        self._bad_lines = count

    def read_fields(self, reader: FieldReader) -> dict[str, Value] | None:
        """Return some fields without parsing the rest; None where that is not possible."""
        return reader.read(self.raw) if self._parsed is None else None

    def some_fields(self, reader: FieldReader) -> dict[str, Value]:
        """Return the fields of a reader, without caching a parse."""
        found = self.read_fields(reader)
        if found is not None:
            return found
        fields = self.all_fields()
        return {name: fields[name] for name in reader.names if name in fields}

    def changes_from(self, previous: Snapshot | None) -> Delta:
        """Return the fields that changed since `previous`, and the names of those removed.

        Without `previous` all fields count as changed.
        """
        if previous is None:
            return Delta(self.all_fields(), [])
        if not self.raw or not previous.raw:
            return diff(previous.info.fields, self.info.fields)
        (body,) = self.deltas_from(previous, _ALL_FIELDS, 1)
        assert body is not None
        delta: Any = unpack(body)
        return Delta(delta["set"], delta["unset"])

    def deltas_from(
        self, previous: Snapshot | None, selections: Selections, wanted: int
    ) -> list[bytes | None]:
        """Return bodies of "delta" messages; without `previous` all fields count as changed.

        Args:
            previous: the snapshot before; None for none.
            selections: selections of fields.
            wanted: a bit for each selection to encode.

        Returns:
            For each selection the body; None for one that is not wanted.
        """
        base = previous.revision if previous else 0
        if previous is None or not self.raw or not previous.raw:
            return selections.encode(self.changes_from(previous), wanted, base)
        layout = previous._layout or previous._layout_of_reply()
        bodies, self._layout = encode_deltas(
            previous.raw, self.raw, layout, selections, wanted, base
        )
        return bodies

    def encoded(self) -> Fields:
        """Return all fields, encoded without a map header, so that a reply can add pairs."""
        if self._encoded is None:
            if self.raw:
                likely = self._layout or self._likely_layout
                self._encoded, self._layout = encode_fields(self.raw, likely)
            else:
                self._encoded = pack_pairs(self.info.fields)
        return self._encoded

    def _layout_of_reply(self) -> Layout:
        # The layout may have changed in a reply that was never parsed or encoded.
        if self._layout is None:
            self._layout = parser.layout_of(self.raw)
        return self._layout

    def has_fields(self) -> bool:
        """Return whether the reply has any fields."""
        return has_fields(self.raw) if self.raw else bool(self.info.fields)

    def text(self, name: bytes) -> str | None:
        """Return one field as text, without parsing the rest; None where absent."""
        if self.raw:
            found = find_field(self.raw, name)
            return None if found is None else read_text(found)
        value = self.info.fields.get(name.decode())
        if isinstance(value, list):  # repeated: any of its lines
            value = value[0] if value else None
        return None if value is None else str(value)


def server_version(snapshot: Snapshot) -> ServerVersion | None:
    """Return the server's own version as INFO has it; None where INFO has none."""
    return find_version(snapshot.raw) if snapshot.raw else version_of(snapshot.info.fields)


def _plain(value: object) -> Value:
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    if isinstance(value, (int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value)
