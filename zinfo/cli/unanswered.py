"""Says how many of the shards whose INFO is printed are down, and how many have none."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from zinfo.cli.output import note
from zinfo.errors import ZinfoError
from zinfo.wire.lifecycle import BUSY, DOWN, NEW

if TYPE_CHECKING:
    from zinfo.client import Client, Fleet

_NAMED = 5  # ids in a line
_MAX_ID = 80  # characters of each
_WITHOUT_REPLY = (NEW, BUSY, DOWN)  # states of a shard that does not reply to INFO


class Unanswered(NamedTuple):
    """Ids of shards of which no current INFO can be printed.

    Attributes:
        never: those that have not replied to INFO yet.
        down: others that are down: their INFO is their last one.
    """

    never: Sequence[str]
    down: Sequence[str]

    def described(self, total: int | None) -> str:
        """Return one line for people; "" if there are none.

        Args:
            total: number of shards, those that never replied included; None if it is not known.
        """
        parts = []
        if self.never:
            have = "has" if len(self.never) == 1 else "have"
            parts.append(f"{_counted(self.never, total)} {have} no INFO yet: {_named(self.never)}")
        if self.down:
            are = "is" if len(self.down) == 1 else "are"
            number = len(self.down) if parts else _counted(self.down, total)
            parts.append(f"{number} {are} down: {_named(self.down)}")
        return "; ".join(parts)


def note_unanswered(
    client: Client | Fleet,
    labels: Mapping[str, str],
    states: Sequence[str],
    printed: int | None,
) -> None:
    """Print a line on stderr if shards are down or have no INFO; nothing if that is unknown.

    A daemon that is older than the argument `state`, or that does not allow this client to request
    `shards`, is no reason to fail after the INFO has been printed.

    Args:
        client: has requested the INFO.
        labels: those that the shards have.
        states: those that were asked for; empty for all. What is down is not reported then.
        printed: number of shards with INFO; None if some were left out because of its age.
    """
    wanted = [state for state in _WITHOUT_REPLY if not states or state in states]
    if not wanted:
        return
    with contextlib.suppress(ZinfoError):
        found = unanswered(client.shards(labels=labels, state=wanted))
        if states:
            found = found._replace(down=())
        line = found.described(None if printed is None else printed + len(found.never))
        if line:
            note(line)


def unanswered(shards: Sequence[Mapping[str, Any]]) -> Unanswered:
    """Return the shards that never replied and those that are down.

    Args:
        shards: entries of the operation `shards`.
    """
    never = [shard["id"] for shard in shards if shard.get("age") is None]
    down = [
        shard["id"]
        for shard in shards
        if shard.get("age") is not None and shard.get("state") == DOWN
    ]
    return Unanswered(never, down)


def _counted(ids: Sequence[str], total: int | None) -> str:
    if total is None:
        return f"{len(ids)} shard" if len(ids) == 1 else f"{len(ids)} shards"
    return f"{len(ids)} of {total} shards" if total != 1 else "1 of 1 shard"


def _named(ids: Sequence[str]) -> str:
    names = [one if len(one) <= _MAX_ID else f"{one[:_MAX_ID]}..." for one in ids[:_NAMED]]
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(names) + more
