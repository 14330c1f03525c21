"""The few fields that polling itself needs, found in the bytes of a reply without parsing it.

Successive replies of a server are similar: a field is searched near its last position first, and in
the whole reply only if it is not found there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from zinfo.info.field_reader import find_field
from zinfo.info.server_version import ServerVersion
from zinfo.shards.snapshot import Snapshot, server_version

_OPS = b"\ninstantaneous_ops_per_sec:"
_OPS_LENGTH = len(_OPS)
_NEAR = 160  # bytes that a field may have moved since the last reply
_MAX_LINE = 64  # bytes of the line that are searched for its end
# Fields that seldom change, like that of the version. Their whole lines are stored, so that one
# comparison is enough.
_STEADY = (b"run_id", b"role", b"loading")
_SHORT = 16  # bytes of a value that many servers have, so that they share one copy


class HotFields:
    """The newest values of the fields of one shard that polling needs.

    Attributes:
        run_id, role, loading: as the server sent them; None if it did not.
        version: the server's own version; None if it sent none.
        ops: instantaneous_ops_per_sec; NaN if the server did not send a number.
    """

    __slots__ = (
        "_absent",
        "_lines",
        "_ops_position",
        "loading",
        "ops",
        "role",
        "run_id",
        "version",
    )

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.role: str | None = None
        self.loading: str | None = None
        self.version: ServerVersion | None = None
        self.ops = math.nan
        self._lines: tuple[tuple[bytes, int], ...] = ()  # with their positions in the last reply
        self._absent: tuple[bytes, ...] = ()  # starts of the lines that it did not have
        self._ops_position = -1

    def read(self, snapshot: Snapshot) -> bool:
        """Read the values of a new snapshot.

        Returns:
            Whether run_id, role, loading or version may have changed; always True without a run_id,
            as the process may be another one.
        """
        raw = snapshot.raw
        # The usual case stands here, as calls would take a tenth of the time of this method.
        near = self._ops_position
        at = raw.find(_OPS, near - _NEAR, near + _NEAR) if near >= _NEAR else -1
        if at >= 0:
            self._ops_position = at
            end = raw.find(b"\n", at + 1, at + _MAX_LINE)
            try:
                self.ops = float(raw[at + _OPS_LENGTH : end if end > 0 else at + _MAX_LINE])
            except ValueError:
                self.ops = math.nan
        else:
            self.ops = self._find_ops(snapshot)
        lines = self._lines
        if lines:
            for line, at in lines:
                if (
                    not raw.startswith(line, at)
                    and raw.find(line, max(at - _NEAR, 0), at + _NEAR) < 0
                ):
                    break
            else:
                if not self._absent:
                    return False
                if not any(_has_line(raw, start) for start in self._absent):
                    return self.run_id is None
        self._read_steady(snapshot)
        return True

    def _read_steady(self, snapshot: Snapshot) -> None:
        self.run_id, self.role, self.loading = (_shared(snapshot.text(name)) for name in _STEADY)
        self.version = server_version(snapshot)
        raw = snapshot.raw
        own = self.version.field.encode() if self.version else b"redis_version"
        names = (*_STEADY, own)
        present = [name for name in names if _has_line(raw, b"\n%b:" % name)]
        self._absent = tuple([b"\n%b:" % name for name in names if name not in present])
        self._lines = _lines(raw, present)

    def _find_ops(self, snapshot: Snapshot) -> float:
        self._ops_position = snapshot.raw.find(_OPS)
        text = snapshot.text(b"instantaneous_ops_per_sec")
        try:
            return float(text or "")
        except ValueError:
            return math.nan


def _has_line(raw: bytes, start: bytes) -> bool:
    return raw.find(start) >= 0 or raw.startswith(start[1:])


def _lines(raw: bytes, names: Iterable[bytes]) -> tuple[tuple[bytes, int], ...]:
    """Return the lines and positions of fields; empty if one of the lines cannot be compared."""
    lines, end = [], b"\r\n" if b"\r\n" in raw else b"\n"
    for name in names:
        value = find_field(raw, name) or b""
        line = (_line if len(value) > _SHORT else _shared_line)(name, value, end)
        at = raw.find(line)
        if at < 0:
            return ()
        lines.append((line, at))
    return tuple(lines)


def _line(name: bytes, value: bytes, end: bytes) -> bytes:
    return b"\n%b:%b%b" % (name, value, end)


_shared_line = lru_cache(maxsize=64)(_line)


@lru_cache(maxsize=64)  # bounded, which sys.intern is not: a server may send any text
def _cached(text: str) -> str:
    return text


def _shared(text: str | None) -> str | None:
    return _cached(text) if text is not None and len(text) <= _SHORT else text
