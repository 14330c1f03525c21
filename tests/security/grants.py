"""A model of rights on the bus, written apart from zinfo's own: which frames a client may receive.

A grant is what one `[clients.NAME]` table allows. The history of a client's grants tells which of
them was in force when a frame was published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from zinfo.wire.bus_messages import parse_topic, unpack_header
from zinfo.wire.codec import unpack

HIDEABLE: Mapping[str, Sequence[str]] = {
    "role": ("role",),
    "redis_version": ("redis_version",),
    "valkey_version": ("valkey_version",),
    "run_id": ("run_id",),
    "executable": ("executable",),
    "mem_*": ("mem_",),
    "used_memory*": ("used_memory",),
}
"""Values of `withheld`, each with the beginnings of the field names that it hides."""

_FACTS = {
    "role_changed": ("role",),
    "version_changed": ("redis_version", "valkey_version"),
    "restarted": ("run_id",),
}  # events that repeat a field of INFO

_RELOAD_SLACK = 0.2
"""Seconds between the time that a frame carries and its publication, at most."""


class Grant(NamedTuple):
    """What one client may.

    Attributes:
        shards: beginnings of shard ids; None for all.
        operations: operations of the query endpoint; None for all.
        hidden: keys of `HIDEABLE`.
    """

    shards: tuple[str, ...] | None = None
    operations: frozenset[str] | None = None
    hidden: tuple[str, ...] = ()

    def table(self, name: str) -> str:
        """Return the TOML table of a client with this grant."""
        lines = [f"[clients.{name}]"]
        if self.shards is not None:
            lines.append(f"shards = {json.dumps(list(self.shards))}")
        if self.operations is not None:
            lines.append(f"operations = {json.dumps(sorted(self.operations))}")
        if self.hidden:
            lines.append(f"hidden_fields = {json.dumps(list(self.hidden))}")
        return "\n".join(lines) + "\n"

    def problem(self, frames: Sequence[bytes]) -> str:
        """Return why a client with this grant may not receive a message; "" where it may."""
        kind, shard = parse_topic(frames[0])
        if kind in ("hb", "fence"):
            return ""
        if self.shards is not None and not shard.startswith(self.shards):
            return f"{kind} of shard {shard}"
        wanted = {"events"} if kind == "event" else {"snapshot", "get_infos"}
        if self.operations is not None and not wanted & self.operations:
            return f"{kind} without {' or '.join(sorted(wanted))}"
        return self._hidden_in(kind, unpack(frames[2]))

    def _hidden_in(self, kind: str, body: object) -> str:
        assert isinstance(body, dict)
        if kind == "event":
            names = _FACTS.get(str(body["type"]), ())
            tells = [body[key] for key in ("old", "new", "message") if body[key]]
            found = [name for name in names if self._hides(name)] if tells else []
        elif kind == "delta":
            found = [name for name in (*body["set"], *body["unset"]) if self._hides(name)]
        else:
            found = [name for name in body if self._hides(name)]
        return f"{kind} with {found}" if found else ""

    def _hides(self, name: str) -> bool:
        for one in self.hidden:
            beginning = HIDEABLE[one][0]
            if name.startswith(beginning) if one.endswith("*") else name == beginning:
                return True
        return False


NOTHING = Grant(shards=(), operations=frozenset())
"""What a known key may that has no table where others have one."""


class History:
    """The grants of one client, each with the time from which it was in force.

    Args:
        grant: the first; None for a key that is not let in.
        since: wall clock, seconds since the Unix epoch.
    """

    def __init__(self, grant: Grant | None, since: float) -> None:
        self._grants: list[tuple[float, float, Grant | None]] = [(since, since, grant)]

    @property
    def newest(self) -> Grant | None:
        """The grant that is in force now."""
        return self._grants[-1][2]

    def change(self, grant: Grant | None, begun: float, done: float) -> None:
        """Record a reload.

        Args:
            grant: what the client may from now on.
            begun: wall clock before SIGHUP was sent; the old grant and the new one may both
                count from then on.
            done: wall clock when the daemon said that the reload was done; only the new one counts.
        """
        self._grants.append((begun, done, grant))

    def problem(self, frames: Sequence[bytes]) -> str:
        """Return why a message should not have reached the client; "" where it is covered."""
        at = unpack_header(frames[1]).time
        problems = []
        for number, (begun, _done, grant) in enumerate(self._grants):
            later = self._grants[number + 1 : number + 2]
            ended = later[0][1] if later else float("inf")
            if begun - _RELOAD_SLACK <= at <= ended or (number == 0 and at < begun):
                problem = "a key that is not let in" if grant is None else grant.problem(frames)
                if not problem:
                    return ""
                problems.append(problem)
        return f"{frames[0].decode(errors='replace')} at {at:.3f}: {problems}"
