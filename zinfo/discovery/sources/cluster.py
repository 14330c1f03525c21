"""ClusterSource: lists the nodes of a Redis Cluster or Valkey cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, ClassVar, NamedTuple, TypeVar

from zinfo.discovery.answer_builder import AnswerBuilder
from zinfo.discovery.credentials import CredentialsError, CredentialSet
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.server_query import QueryLimits, ServerQuery, ServerQueryError, query_all
from zinfo.discovery.source import Source
from zinfo.discovery.sources.cluster_answer import ClusterNaming, add_nodes
from zinfo.discovery.sources.cluster_nodes import ClusterNode, ClusterView, parse_cluster_nodes
from zinfo.discovery.sources.cluster_views import AskedNode, Choice, choose_view
from zinfo.discovery.target import Answer, Target
from zinfo.errors import SourceError
from zinfo.loop.yielding import CooperativeYield
from zinfo.poll.errors import DNS, REFUSED, TIMEOUT
from zinfo.wire.addresses import host_port, parse_shard_url

T = TypeVar("T")

MAX_SEEDS = 16
"""Maximum number of seeds that one read asks; of more, each read asks others."""

SAMPLE = 3
"""Number of members that a read asks beside the seeds."""

MAX_ATTEMPTS = 3
"""Number of times that a read asks further members while no node that replied has a vote."""

MORE_MEMBERS = 8
"""Number of members that each of these attempts asks."""

_MAX_GREENLETS = 8  # nodes that are asked at the same time
_MAX_REASONS = 5  # nodes whose errors are in the error of a source
_SHORT_REASONS = frozenset({DNS, REFUSED, TIMEOUT})  # what their texts add is not needed


class _Place(NamedTuple):
    """Where a node is asked."""

    url: str
    name: str  # host:port
    seed: bool


class ClusterSource(Source):
    """Asks seeds, and some of the members found so far, for the nodes of their cluster.

    The largest view of a node that has a vote counts; `cluster_views` says which have none. A read
    asks all seeds and three members, others each time, and more only if none of these has a vote.
    If all seeds are away, the members are enough.

    Args:
        name: unique name; the label `cluster` of the shards.
        seeds: URLs of nodes, all `redis://` or all `rediss://`.
        rules: the rules of the source.
        credentials: those that `rules.credentials` names are sent to the nodes that are asked.
        address: `ip`, or `hostname` for the names that nodes announce.
        interval: seconds from the end of a read to the start of the next.
        limits: the bounds of each connection.

    Raises:
        ValueError: there is no seed, or a URL cannot be used, or the schemes differ.
    """

    kind: ClassVar[str] = "cluster"

    def __init__(
        self,
        name: str,
        seeds: Sequence[str],
        rules: TargetRules,
        credentials: CredentialSet,
        *,
        address: str = "ip",
        interval: float = 5.0,
        limits: QueryLimits | None = None,
    ) -> None:
        super().__init__(name, interval)
        addresses = [parse_shard_url(seed) for seed in seeds]
        schemes = {one.scheme for one in addresses}
        if len(schemes) != 1 or schemes == {"unix"}:
            raise ValueError("seeds are URLs that are all redis:// or all rediss://")
        self._seeds = [
            _Place(seed, one.ident, True) for seed, one in zip(seeds, addresses, strict=True)
        ]
        self._rules = rules
        self._credentials = credentials
        self._naming = ClusterNaming(rules, addresses[0].scheme, address)
        self._limits = limits or QueryLimits()
        self._turn = 0  # reads so far: others are asked in each
        self._nodes: Mapping[str, ClusterNode] = {}  # of the last answer
        self._groups: Mapping[str, str] = {}
        self._remembered: frozenset[str] = frozenset()  # URLs of the shards of a stored answer
        self._members: Sequence[str] = ()  # those to ask: ids in `_nodes`, else URLs
        self._last: tuple[Any, ...] | None = None  # what the last answer was made of

    def remember(self, targets: Mapping[str, Target]) -> None:
        """Take the targets of the last answer before a restart; see `Source.remember`."""
        self._remembered = frozenset(target.url for target in targets.values())
        self._members = sorted(self._remembered)

    def read(self) -> Answer | None:
        """Return the nodes of the cluster; None if they are the same as in the last answer.

        Raises:
            SourceError: no node that was asked has a vote.
        """
        found: list[AskedNode] = []
        failed: dict[_Place, SourceError] = {}
        choice = Choice(None)
        for places in self._attempts():
            results = query_all(self._ask, places, _MAX_GREENLETS)
            for place, result in zip(places, results, strict=True):
                if isinstance(result, SourceError):
                    failed[place] = result
                else:
                    found.append(result)
            choice = choose_view(found, self._is_related if self._knows_members else None)
            if choice.view is not None:
                break
        self._turn += 1
        notes = [f"seed {one.name}: {_short(error)}" for one, error in failed.items() if one.seed]
        notes += choice.notes
        if choice.view is None:
            if self._knows_members or not choice.outside:
                raise SourceError(_no_vote(notes, failed))
            return self._changed(choice.outside, {}, notes)
        if not self._is_known(choice.view):
            self._nodes, self._remembered = choice.view.nodes, frozenset()
            self._members = [one.ident for one in self._nodes.values() if not one.failed]
        return self._changed(choice.outside, choice.view.skipped, notes)

    def _attempts(self) -> Iterator[list[_Place]]:
        """Yield the nodes to ask; more of them while none has a vote."""
        seeds = self._seeds
        if len(seeds) > MAX_SEEDS:
            seeds = list(islice(_rotated(seeds, self._turn * MAX_SEEDS), MAX_SEEDS))
        members = self._places_of_members()
        yield [*seeds, *islice(members, SAMPLE)]
        for _ in range(MAX_ATTEMPTS):
            if more := list(islice(members, MORE_MEMBERS)):
                yield more

    def _places_of_members(self) -> Iterator[_Place]:
        """Yield where members are asked, others first at each read."""
        seeds = {one.name for one in self._seeds}
        for member in _rotated(self._members, self._turn * SAMPLE):
            node = self._nodes.get(member)
            url = self._url(node) if node is not None else member
            try:
                place = _Place(url, parse_shard_url(url).ident, False)
            except ValueError:  # of a name that a server announces
                continue
            if place.name not in seeds:
                yield place

    def _ask(self, place: _Place) -> AskedNode:
        """Return the view of a node.

        Raises:
            SourceError: it does not reply, or not as a node of a cluster.
        """
        try:
            options = self._credentials.options_for(place.url, self._rules.credentials)
        except (CredentialsError, ValueError) as error:
            raise SourceError(str(error)) from None
        with ServerQuery(options, self._limits, explain=place.seed) as query:
            host = query.peer_host
            try:
                reply = query.run("CLUSTER", "NODES")
            except ServerQueryError as error:
                text = str(error).lower()
                if "cluster" in text and "disabled" in text:
                    raise SourceError("cluster support is disabled") from None
                raise
        if not isinstance(reply, bytes):
            raise SourceError("the reply to CLUSTER NODES is not a text")
        port = parse_shard_url(place.url).port
        yielder = CooperativeYield(low_priority=True)
        view = parse_cluster_nodes(reply, host, port, yielder.maybe_yield)
        return AskedNode(place.name, place.seed, view)

    def _is_known(self, view: ClusterView) -> bool:
        """Return whether the last answer was made of the same nodes."""
        if len(self._nodes) != len(view.nodes):
            return False
        yielder = CooperativeYield(low_priority=True)  # to compare 10,000 nodes takes 5 ms
        for ident, node in view.nodes.items():
            if self._nodes.get(ident) != node:
                return False
            yielder.maybe_yield()
        return True

    def _changed(
        self, outside: Sequence[ClusterNode], skipped: Mapping[str, int], notes: list[str]
    ) -> Answer | None:
        """Return the answer with the nodes, or None if it is made of the same as the last one."""
        made_of = (self._nodes, outside, skipped, notes)  # equal nodes are the same object
        if self._last == made_of:
            return None
        builder = AnswerBuilder(self._rules)
        for note in notes:
            builder.note(note)
        for reason, count in skipped.items():
            builder.skip(reason, count)
        nodes = {**{node.ident: node for node in outside}, **self._nodes}
        yielder = CooperativeYield(low_priority=True)
        self._groups = add_nodes(
            builder, self._naming, nodes.values(), self._groups, yielder.maybe_yield
        )
        self._last = made_of
        # Before the first view of a cluster, nothing is removed for not being in this answer.
        return builder.answer(incomplete=not self._nodes)

    @property
    def _knows_members(self) -> bool:
        return bool(self._nodes or self._remembered)

    def _is_related(self, view: ClusterView) -> bool:
        """Return whether a view is of the cluster that the last answer was of."""
        if self._nodes:
            return not self._nodes.keys().isdisjoint(view.nodes)
        # The node ids are not known after a restart. One address alone may have a new owner.
        urls: set[str] = set()
        yielder = CooperativeYield(low_priority=True)
        for node in view.nodes.values():
            urls.add(self._url(node))
            yielder.maybe_yield()
        return 2 * len(urls & self._remembered) >= min(len(urls), len(self._remembered))

    def _url(self, node: ClusterNode) -> str:
        candidate = self._naming.candidate(node)
        return f"{candidate.scheme}://{host_port(candidate.host, candidate.port)}"


def _rotated(items: Sequence[T], by: int) -> Iterator[T]:
    at = by % len(items) if items else 0
    return chain(islice(items, at, None), islice(items, at))


def _short(error: SourceError) -> str:
    if isinstance(error, ServerQueryError) and error.reason in _SHORT_REASONS:
        return error.reason
    return str(error)


def _no_vote(notes: Sequence[str], failed: Mapping[_Place, SourceError]) -> str:
    """Return the text of the error of a read without a view that counts."""
    members = [
        f"member {one.name}: {_short(error)}" for one, error in failed.items() if not one.seed
    ]
    reasons = [*notes, *members]
    more = len(reasons) - _MAX_REASONS
    return "; ".join(reasons[:_MAX_REASONS]) + (f"; and {more} more" if more > 0 else "")
