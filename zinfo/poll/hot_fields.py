"""The few fields that polling itself needs, found in the bytes of a reply without parsing it.

Successive replies of a server are similar: a field is searched near its last position first, and in
the whole reply only if it is not found there.
"""

from __future__ import annotations

import math
from functools import lru_cache

from zinfo.info.field_reader import find_field
from zinfo.shards.snapshot import Snapshot

_OPS = b"\ninstantaneous_ops_per_sec:"
_NEAR = 160  # bytes that a field may have moved since the last reply
_MAX_LINE = 64  # bytes of the line that are searched for its end
# Fields that seldom change. Their whole lines are stored, so that one comparison is enough.
_STEADY = (b"run_id", b"role", b"loading")
_SHORT = 16  # bytes of a value that many servers have, so that they share one copy


class HotFields:
    """The newest values of the fields of one shard that polling needs.

    Attributes:
        run_id, role, loading: as the server sent them; None if it did not.
        ops: instantaneous_ops_per_sec; NaN if the server did not send a number.
    """

    __slots__ = ("_lines", "_ops_position", "_positions", "loading", "ops", "role", "run_id")

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.role: str | None = None
        self.loading: str | None = None
        self.ops = math.nan
        self._lines: tuple[bytes, ...] = ()
        self._positions: tuple[int, ...] = ()  # in the last reply
        self._ops_position = -1

    def read(self, snapshot: Snapshot) -> bool:
        """Read the values of a new snapshot.

        Returns:
            Whether run_id, role or loading may have changed.
        """
        raw = snapshot.raw
        self.ops = (
            self._find_ops(raw) if raw else _number(snapshot.text(b"instantaneous_ops_per_sec"))
        )
        lines = self._lines
        if lines:
            for line, at in zip(lines, self._positions):  # noqa: B905 - strict costs more time than this loop
                if (
                    not raw.startswith(line, at)
                    and raw.find(line, max(at - _NEAR, 0), at + _NEAR) < 0
                ):
                    break
            else:
                return False
        self.run_id, self.role, self.loading = (_shared(snapshot.text(name)) for name in _STEADY)
        self._lines, self._positions = _lines(raw)
        return True

    def _find_ops(self, raw: bytes) -> float:
        near = self._ops_position
        at = raw.find(_OPS, near - _NEAR, near + _NEAR) if near >= _NEAR else -1
        if at < 0:
            at = raw.find(_OPS)
            if at < 0:
                return math.nan
        self._ops_position = at
        end = raw.find(b"\n", at + 1, at + _MAX_LINE)
        return _number(raw[at + len(_OPS) : end if end > 0 else at + _MAX_LINE])


def _lines(raw: bytes) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """Return the lines and positions of the steady fields; empty if one of them is not found."""
    lines, positions = [], []
    for name in _STEADY:
        value = find_field(raw, name)
        if value is None:
            return (), ()
        line = (_line if len(value) > _SHORT else _shared_line)(name, value)
        at = raw.find(line)
        if at < 0:
            return (), ()
        lines.append(line)
        positions.append(at)
    return tuple(lines), tuple(positions)


def _line(name: bytes, value: bytes) -> bytes:
    return b"\n%b:%b\r\n" % (name, value)


_shared_line = lru_cache(maxsize=64)(_line)


@lru_cache(maxsize=64)  # bounded, which sys.intern is not: a server may send any text
def _cached(text: str) -> str:
    return text


def _shared(text: str | None) -> str | None:
    return _cached(text) if text is not None and len(text) <= _SHORT else text


def _number(text: bytes | str | None) -> float:
    try:
        return float(text or b"")
    except ValueError:
        return math.nan
