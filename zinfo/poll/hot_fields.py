"""The few fields that polling itself needs, found in the bytes of a reply without parsing it.

Replies of one server are alike: a field is looked for near where it was the last time, and in the
whole reply only where it is not there.
"""

from __future__ import annotations

import math
from functools import lru_cache

from zinfo.info.field_reader import find_field
from zinfo.shards.snapshot import Snapshot

_OPS = b"\ninstantaneous_ops_per_sec:"
_NEAR = 160  # bytes that a field may have moved since the last reply
_LONGEST = 64  # bytes of a line that is looked at closer
# Fields that seldom change. Their whole lines are remembered, so that one comparison will do.
_STEADY = (b"run_id", b"role", b"loading")
_SHORT = 16  # bytes of a value that other servers have, too, so that they can share one copy


class Essentials:
    """The newest values of the fields that polling needs, of one shard.

    Attributes:
        run_id, role, loading: as the server wrote them; None where it does not say.
        ops: instantaneous_ops_per_sec; NaN where the server does not say, or says no number.
    """

    __slots__ = ("_lines", "_ops_at", "_places", "loading", "ops", "role", "run_id")

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.role: str | None = None
        self.loading: str | None = None
        self.ops = math.nan
        self._lines: tuple[bytes, ...] = ()
        self._places: tuple[int, ...] = ()  # where each was
        self._ops_at = -1

    def read(self, snapshot: Snapshot) -> bool:
        """Take the values of a new snapshot.

        Returns:
            Whether run_id, role or loading may be other than before.
        """
        raw = snapshot.raw
        self.ops = (
            self._find_ops(raw) if raw else _number(snapshot.text(b"instantaneous_ops_per_sec"))
        )
        lines = self._lines
        if lines:
            for line, at in zip(lines, self._places):  # noqa: B905 - strict takes longer than all this
                if (
                    not raw.startswith(line, at)
                    and raw.find(line, max(at - _NEAR, 0), at + _NEAR) < 0
                ):
                    break
            else:
                return False
        self.run_id, self.role, self.loading = (_shared(snapshot.text(name)) for name in _STEADY)
        self._lines, self._places = _lines(raw)
        return True

    def _find_ops(self, raw: bytes) -> float:
        near = self._ops_at
        at = raw.find(_OPS, near - _NEAR, near + _NEAR) if near >= _NEAR else -1
        if at < 0:
            at = raw.find(_OPS)
            if at < 0:
                return math.nan
        self._ops_at = at
        end = raw.find(b"\n", at + 1, at + _LONGEST)
        return _number(raw[at + len(_OPS) : end if end > 0 else at + _LONGEST])


def _lines(raw: bytes) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """Return the steady fields' lines and places; nothing where one cannot be pinned down."""
    lines, places = [], []
    for name in _STEADY:
        value = find_field(raw, name)
        if value is None:
            return (), ()
        line = (_line if len(value) > _SHORT else _shared_line)(name, value)
        at = raw.find(line)
        if at < 0:
            return (), ()
        lines.append(line)
        places.append(at)
    return tuple(lines), tuple(places)


def _line(name: bytes, value: bytes) -> bytes:
    return b"\n%b:%b\r\n" % (name, value)


_shared_line = lru_cache(maxsize=64)(_line)


@lru_cache(maxsize=64)  # bounded, unlike sys.intern: a server may send any text
def _kept(text: str) -> str:
    return text


def _shared(text: str | None) -> str | None:
    return _kept(text) if text is not None and len(text) <= _SHORT else text


def _number(text: bytes | str | None) -> float:
    try:
        return float(text or b"")
    except ValueError:
        return math.nan
