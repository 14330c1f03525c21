"""Which daemons of a fleet to ask for some shards. Pure.

Where the slices are chosen by id, the first copy of a shard is asked first, and the other copies
only if that is not enough. While a fleet is resized, it has two groups of slices, and the first
copy of each group is asked. Every other daemon (without a slice, with slices by a label, or not
known yet) may have any shard, and is asked for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeAlias, TypeVar

from zinfo.client.fleet_members import Member
from zinfo.wire.slices import BY_ID, slices_of

Client = TypeVar("Client")

_Group: TypeAlias = "tuple[int, int]"  # count and copies


class Owners(Generic[Client]):
    """The daemons that poll a shard, as far as their slices are known now.

    Args:
        members: the daemons of the fleet.
    """

    def __init__(self, members: Sequence[Member[Client]]) -> None:
        self._groups: dict[_Group, dict[int, list[Member[Client]]]] = {}
        self.anyone: list[Member[Client]] = []
        for member in members:
            if member.slice is None or member.slice.by != BY_ID:
                self.anyone.append(member)
            else:
                group = (member.slice.count, member.slice.copies)
                slices = self._groups.setdefault(group, {})
                slices.setdefault(member.slice.number, []).append(member)
        self._copies: dict[str, list[list[Member[Client]]]] = {}

    def of(self, shard: str) -> list[Member[Client]]:
        """Return the daemons whose slice has the shard, in the order of its copies."""
        return [member for copies in self._of_groups(shard) for member in copies]

    def first(self, shards: Iterable[str]) -> dict[Member[Client], list[str]]:
        """Return the daemons to ask first, each with the ids to ask it for.

        Daemons that were silent are asked only if all daemons of a shard were.
        """
        shards = list(dict.fromkeys(shards))
        asked: dict[Member[Client], list[str]] = {}
        for shard in shards:
            for copies in self._of_groups(shard):
                if copies:
                    best = min(copies, key=_is_silent)  # the first of those that are not
                    asked.setdefault(best, []).append(shard)
        asked.update((member, shards) for member in self.anyone if shards)
        return asked

    def others(
        self, shards: Iterable[str], asked: dict[Member[Client], list[str]]
    ) -> dict[Member[Client], list[str]]:
        """Return the further daemons of shards, each with the ids to ask it for.

        Args:
            shards: ids for which the first daemons are not enough.
            asked: result of `first`.
        """
        known = {member: set(ids) for member, ids in asked.items()}
        more: dict[Member[Client], list[str]] = {}
        for shard in dict.fromkeys(shards):
            for member in self.of(shard):
                if shard not in known.get(member, ()):
                    more.setdefault(member, []).append(shard)
        return more

    def _of_groups(self, shard: str) -> list[list[Member[Client]]]:
        copies = self._copies.get(shard)
        if copies is None:
            copies = self._copies[shard] = [
                [one for number in slices_of(shard, *group) for one in slices.get(number, ())]
                for group, slices in self._groups.items()
            ]
        return copies


def _is_silent(member: Member[Client]) -> bool:
    return bool(member.problem)
