"""Chooses whose view of a cluster counts: the largest of those that have a vote. Pure.

Each node of a Redis Cluster has a list of the nodes of its own, and the lists agree after a few
seconds, as nodes send each other what they know
(https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, "Fault detection" and
"CLUSTER FORGET"). A partition and a failover change flags in them, but remove nothing. These have
no vote:

- A node that knows only itself and owns no hash slots. It was reset, lost its nodes.conf, or has
  not joined yet. One that owns slots is a cluster of one node.
- A node that most of those which it lists do not list: they have forgotten it, or it is joining.
- A node that shares no other node with the last answer: its address belongs to another cluster now.
  If none does, the seeds count: the cluster was made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from zinfo.discovery.sources.cluster_nodes import ClusterNode, ClusterView


class AskedNode(NamedTuple):
    """A node that replied.

    Attributes:
        name: `host:port` that it was asked at.
        seed: whether it is a seed, and not a member that was found.
        view: what it knows.
    """

    name: str
    seed: bool
    view: ClusterView


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose view counts.

    Attributes:
        view: that view; None if none has a vote.
        notes: why seeds have no vote.
        outside: seeds that know only themselves, or that the others do not know. They are listed
            nevertheless: the user named them, and they reply. A node that joins is among them.
    """

    view: ClusterView | None
    notes: tuple[str, ...] = ()
    outside: tuple[ClusterNode, ...] = ()


def choose_view(
    asked: Iterable[AskedNode], is_related: Callable[[ClusterView], bool] | None
) -> Choice:
    """Return the view that counts.

    Args:
        asked: the nodes that replied, the most important first.
        is_related: whether a view is one of the cluster that the last answer was of; None without
            a last answer.
    """
    notes: list[str] = []
    voters = _without_repeated(asked)
    alone = _are_alone(voters)
    voters = _without(voters, alone, "knows only itself", notes)
    unknown = _are_unknown(voters)
    voters = _without(voters, unknown, "the nodes that it knows do not know it", notes)
    outside = tuple(one.view.nodes[one.view.myself] for one in [*alone, *unknown] if one.seed)
    candidates = _related(voters, is_related) if is_related is not None else voters
    best = max(candidates, key=lambda one: (len(one.view.nodes), one.view.epoch), default=None)
    if best is None:
        return Choice(None, tuple(notes), outside)
    others = [one for one in voters if one.view.nodes.keys().isdisjoint(best.view.nodes)]
    _without(voters, others, "is a node of another cluster", notes)
    return Choice(best.view, tuple(notes), outside)


def _without_repeated(asked: Iterable[AskedNode]) -> list[AskedNode]:
    """Return each node once: several names may belong to one."""
    found: dict[str, AskedNode] = {}
    for one in asked:
        found.setdefault(one.view.myself, one)
    return list(found.values())


def _without(
    voters: Sequence[AskedNode], excluded: Sequence[AskedNode], reason: str, notes: list[str]
) -> list[AskedNode]:
    notes += [f"seed {one.name}: {reason}, no vote" for one in excluded if one.seed]
    return [one for one in voters if one not in excluded]


def _are_alone(voters: Sequence[AskedNode]) -> list[AskedNode]:
    return [one for one in voters if _is_alone(one.view) and not _owns_slots(one.view)]


def _is_alone(view: ClusterView) -> bool:
    return len(view.nodes) == 1


def _owns_slots(view: ClusterView) -> bool:
    return any(node.slots for node in view.nodes.values())


def _are_unknown(voters: Sequence[AskedNode]) -> list[AskedNode]:
    """Return the nodes that more than half of those which they list do not list."""
    # One that knows only itself has forgotten the others, and says nothing about a single node.
    judges = [one for one in voters if not _is_alone(one.view)]
    unknown: list[AskedNode] = []
    for one in judges:
        listed = [judge for judge in judges if judge.view.myself in one.view.nodes]
        unaware = [judge for judge in listed if one.view.myself not in judge.view.nodes]
        if 2 * len(unaware) > len(listed) - 1:  # it lists itself
            unknown.append(one)
    return unknown if len(unknown) < len(voters) else []


def _related(
    voters: Sequence[AskedNode], is_related: Callable[[ClusterView], bool]
) -> list[AskedNode]:
    related = [one for one in voters if is_related(one.view)]
    return related or [one for one in voters if one.seed]
