"""The few fields that polling itself needs, found in the bytes of a reply without parsing it.

Replies of one server are alike: a field is looked for near where it was the last time, and in the
whole reply only where it is not there.
"""

from __future__ import annotations

import math

from zinfo.info_lookup import find_field
from zinfo.snapshot import Snapshot

_OPS = b"\ninstantaneous_ops_per_sec:"
_NEAR = 160  # bytes that a field may have moved since the last reply
_LONGEST = 64  # bytes of a line that is looked at closer
# Fields that seldom change. Their whole lines are remembered, so that one comparison will do.
_STEADY = (b"run_id", b"role", b"loading")


class Essentials:
    """The newest values of the fields that polling needs, of one shard.

    Attributes:
        run_id, role, loading: as the server wrote them; None where it does not say.
        ops: instantaneous_ops_per_sec; NaN where the server does not say, or says no number.
    """

    __slots__ = ("_lines", "_ops_at", "loading", "ops", "role", "run_id")

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.role: str | None = None
        self.loading: str | None = None
        self.ops = math.nan
        self._lines: tuple[tuple[bytes, int], ...] = ()
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
            for line, at in lines:
                if (
                    not raw.startswith(line, at)
                    and raw.find(line, max(at - _NEAR, 0), at + _NEAR) < 0
                ):
                    break
            else:
                return False
        self.run_id, self.role, self.loading = (snapshot.text(name) for name in _STEADY)
        self._lines = _lines(raw)
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


def _lines(raw: bytes) -> tuple[tuple[bytes, int], ...]:
    """Return the steady fields' lines and places; nothing where one cannot be pinned down."""
    lines = []
    for name in _STEADY:
        value = find_field(raw, name)
        if value is None:
            return ()
        line = b"\n" + name + b":" + value + b"\r\n"
        at = raw.find(line)
        if at < 0:
            return ()
        lines.append((line, at))
    return tuple(lines)


def _number(text: bytes | str | None) -> float:
    try:
        return float(text or b"")
    except ValueError:
        return math.nan
