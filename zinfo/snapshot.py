"""One INFO reply of one shard: kept raw, parsed when first asked for, encoded at most once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from zinfo import info as info_module
from zinfo import info_changes
from zinfo.info import Info, Layout, Value, find_field, has_fields
from zinfo.info_changes import Delta
from zinfo.protocol import map_header, pack_fields

_MAX_BASE_AGE = 20  # snapshots for which a parsed form is kept that nobody asks for


class Snapshot:
    """An INFO reply with its revision and times.

    Args:
        raw: the reply as the server sent it; empty where a client gave parsed fields instead.
        revision: number of the reply, +1 at every successful poll of the shard.
        time: wall clock of its arrival, seconds since the Unix epoch.
        at: monotonic clock of its arrival, seconds; ages are counted from here.
        previous: the shard's snapshot before it, whose parsed form it takes over: parsing costs
            less from there. Where `previous` is asked for its own once more, it parses anew.
    """

    __slots__ = (
        "_base",
        "_base_age",
        "_encoded",
        "_layout",
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
        self._parsed: Info | None = None
        self._base, self._base_age = previous._hand_over() if previous else (None, 0)
        self._layout = previous._layout if previous else None
        self._encoded: tuple[int, bytes] | None = None

    @classmethod
    def from_fields(
        cls, fields: Mapping[str, object], revision: int, time: float, at: float
    ) -> Snapshot:
        """Return a snapshot of fields that somebody else parsed; it has no sections.

        Values that the wire has no form for become text.
        """
        snapshot = cls(b"", revision, time, at)
        plain = {str(name): _plain(value) for name, value in fields.items()}
        snapshot._parsed = Info(b"", plain, {}, Layout.of([]))
        return snapshot

    @property
    def info(self) -> Info:
        """The parsed reply, until the shard's next snapshot takes it over."""
        if self._parsed is None:
            if self._base is None:
                self._parsed = info_module.parse(self.raw)
            else:
                info_changes.advance(self._base, self.raw)
                self._parsed, self._base = self._base, None
        return self._parsed

    @property
    def bad_lines(self) -> int:
        """Lines that could not be understood; 0 while nobody has asked for a parse."""
        return self._parsed.bad_lines if self._parsed is not None else 0

    def _hand_over(self) -> tuple[Info | None, int]:
        """Let go of what the next snapshot is best parsed from, and say how old that is.

        None where nobody has asked for a parse for long: its memory is let go then.
        """
        base, age = (self._base, self._base_age + 1) if self._parsed is None else (self._parsed, 1)
        if not self.raw:
            return None, 0  # these fields are all there is
        self._base = self._parsed = None
        return (base, age) if age <= _MAX_BASE_AGE else (None, 0)

    def read_fields(self, names: Collection[str]) -> dict[str, Value] | None:
        """Return some fields by name without parsing the rest; None where that cannot be done."""
        if self._parsed is not None or not self.raw:
            fields = self.info.fields
            return {name: fields[name] for name in names if name in fields}
        return info_module.read_fields(self.raw, names)

    def delta_from(self, previous: Snapshot | None) -> Delta:
        """Return what changed since `previous`; everything where there is none."""
        if previous is None:
            return Delta(dict(self.info.fields), [])
        changed = self._changes_from(previous)
        if changed is not None:
            return Delta(changed, [])
        delta = info_changes.diff(previous.info.fields, self.info.fields)
        self._layout = self.info.layout
        return delta

    def _changes_from(self, previous: Snapshot) -> dict[str, Value] | None:
        # From bytes to bytes: what is parsed already costs more to look at than to read again.
        if not self.raw or not previous.raw:
            return None
        if self._layout is None:
            self._layout = previous.info.layout
        return info_changes.read_changes(previous.raw, self.raw, self._layout)

    def encoded(self) -> tuple[int, bytes]:
        """Return the number of fields, and field, value, field, value, ... as msgpack.

        Without a map's header, so that a query can put more pairs into the same map.
        """
        if self._encoded is None:
            fields = self.info.fields
            self._encoded = len(fields), pack_fields(fields)[len(map_header(len(fields))) :]
        return self._encoded

    def has_fields(self) -> bool:
        """Return whether there is anything in it."""
        return has_fields(self.raw) if self.raw else bool(self.info.fields)

    def text(self, name: bytes) -> str | None:
        """Return one field as the server wrote it, without parsing the rest; None where absent."""
        if self.raw:
            found = find_field(self.raw, name)
            return None if found is None else found.decode("utf-8", "replace")
        value = self.info.fields.get(name.decode())
        return None if value is None else str(value)


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
