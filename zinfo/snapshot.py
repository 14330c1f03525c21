"""One INFO reply of one shard: kept raw, parsed when first asked for, encoded at most once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from zinfo import info as info_module
from zinfo.info import Delta, Info, Value, find_field, has_fields
from zinfo.protocol import map_header, pack

_MAX_BASE_AGE = 20  # snapshots for which a parsed form is kept that nobody asks for


class Snapshot:
    """An INFO reply with its revision and times.

    Args:
        raw: the reply as the server sent it; empty where a client gave parsed fields instead.
        revision: number of the reply, +1 at every successful poll of the shard.
        time: wall clock of its arrival, seconds since the Unix epoch.
        at: monotonic clock of its arrival, seconds; ages are counted from here.
        base: an earlier reply's parsed form, from which parsing this one costs less, and how many
            snapshots ago that was.
        parsed: this reply's parsed form, where it is known already.
    """

    __slots__ = ("_base", "_base_age", "_encoded", "_parsed", "at", "raw", "revision", "time")

    def __init__(
        self,
        raw: bytes,
        revision: int,
        time: float,
        at: float,
        *,
        base: tuple[Info | None, int] = (None, 0),
        parsed: Info | None = None,
    ) -> None:
        self.raw = raw
        self.revision = revision
        self.time = time
        self.at = at
        self._base, self._base_age = base
        self._parsed = parsed
        self._encoded: tuple[int, bytes] | None = None

    @classmethod
    def from_fields(
        cls, fields: Mapping[str, object], revision: int, time: float, at: float
    ) -> Snapshot:
        """Return a snapshot of fields that somebody else parsed; it has no sections.

        Values that the wire has no form for become text.
        """
        plain = {str(name): _plain(value) for name, value in fields.items()}
        return cls(b"", revision, time, at, parsed=Info(b"", plain, {}, 0))

    @property
    def info(self) -> Info:
        """The parsed reply."""
        if self._parsed is None:
            if self._base is None:
                self._parsed = info_module.parse(self.raw)
            else:
                self._parsed, _ = info_module.update(self._base, self.raw)
                self._base = None
        return self._parsed

    @property
    def bad_lines(self) -> int:
        """Lines that could not be understood; 0 while nobody has asked for a parse."""
        return self._parsed.bad_lines if self._parsed is not None else 0

    def base(self) -> tuple[Info | None, int]:
        """Return what the next snapshot is best parsed from, and how many snapshots ago that was.

        None where nobody has asked for a parse for long: then it is let go, and its memory with it.
        """
        if self._parsed is not None:
            return self._parsed, 1
        if self._base is not None and self._base_age < _MAX_BASE_AGE:
            return self._base, self._base_age + 1
        return None, 0

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
        before = previous.info
        if self._parsed is None and before.raw:
            self._parsed, delta = info_module.update(before, self.raw)
            self._base = None
            return delta
        return info_module.diff(before.fields, self.info.fields)

    def encoded(self) -> tuple[int, bytes]:
        """Return the number of fields, and field, value, field, value, ... as msgpack.

        Without a map's header, so that a query can put more pairs into the same map.
        """
        if self._encoded is None:
            fields = self.info.fields
            self._encoded = len(fields), pack(fields)[len(map_header(len(fields))) :]
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
