"""A model of rights on the bus, independent of zinfo's: which frames a client may receive.

A grant is what one `[clients.NAME]` table allows. The history of a client's grants determines which
of them was in force when a frame was published.
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
"""Values of `hidden_fields`, each with the prefixes of the field names that it hides."""

_EVENT_FIELDS = {
    "role_changed": ("role",),
    "version_changed": ("redis_version", "valkey_version"),
    "restarted": ("run_id",),
}  # INFO fields that an event repeats

_RELOAD_SLACK = 5.0
"""Maximum seconds between the time stamp of a frame and its publication.

A client that may see a shard from now on is sent its last INFO, which a slow machine polled a while
ago.
"""


class Grant(NamedTuple):
    """The rights of one client.

    Attributes:
        shards: prefixes of shard ids; None for all.
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
        """Return why a client with this grant may not receive a message; "" if it may."""
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
            names = _EVENT_FIELDS.get(str(body["type"]), ())
            values = [body[key] for key in ("old", "new", "message") if body[key]]
            found = [name for name in names if self._hides(name)] if values else []
        elif kind == "delta":
            found = [name for name in (*body["set"], *body["unset"]) if self._hides(name)]
        else:
            found = [name for name in body if self._hides(name)]
        return f"{kind} with {found}" if found else ""

    def _hides(self, name: str) -> bool:
        for one in self.hidden:
            prefix = HIDEABLE[one][0]
            if name.startswith(prefix) if one.endswith("*") else name == prefix:
                return True
        return False


NOTHING = Grant(shards=(), operations=frozenset())
"""The rights of a known key without a table, if other clients have tables."""


class History:
    """The grants of one client, each with the time from which it was in force.

    Args:
        grant: the first grant; None for a key that is refused.
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
            grant: the client's rights from now on; None for a key that is refused.
            begun: wall clock before SIGHUP was sent; from then on, the old or the new grant may
                apply.
            done: wall clock when the daemon logged the reload; from then on, only the new one
                applies.
        """
        self._grants.append((begun, done, grant))

    def problem(self, frames: Sequence[bytes]) -> str:
        """Return why the client should not have received a message; "" if it was allowed."""
        at = unpack_header(frames[1]).time
        problems = []
        for number, (begun, _done, grant) in enumerate(self._grants):
            later = self._grants[number + 1 : number + 2]
            ended = later[0][1] if later else float("inf")
            if begun - _RELOAD_SLACK <= at <= ended or (number == 0 and at < begun):
                problem = "a refused key" if grant is None else grant.problem(frames)
                if not problem:
                    return ""
                problems.append(problem)
        return f"{frames[0].decode(errors='replace')} at {at:.3f}: {problems}"
