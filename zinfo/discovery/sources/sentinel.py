"""SentinelSource: lists the primaries and replicas that Sentinels monitor."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, TypeAlias

from zinfo.discovery.answer_builder import AnswerBuilder
from zinfo.discovery.credentials import CredentialsError, CredentialSet
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.server_query import QueryLimits, query_all
from zinfo.discovery.source import Source
from zinfo.discovery.sources.known_sentinels import KnownSentinel, KnownSentinels
from zinfo.discovery.sources.sentinel_naming import CLUSTER_LABEL, SentinelNaming
from zinfo.discovery.sources.sentinel_query import ask_sentinel
from zinfo.discovery.sources.sentinel_replies import Instance
from zinfo.discovery.sources.sentinel_views import (
    MasterPatterns,
    MonitoredServer,
    SentinelView,
    combine,
)
from zinfo.discovery.target import Answer, Target
from zinfo.errors import SourceError
from zinfo.loop.yielding import CooperativeYield
from zinfo.poll.errors import AUTH, DNS, NOPERM, REFUSED, TIMEOUT
from zinfo.wire.addresses import parse_shard_url

LEARN_INTERVAL = 60.0
"""Seconds after which a Sentinel is asked again for other Sentinels."""

_MAX_GREENLETS = 10  # Sentinels that are asked at the same time
_MAX_ROUNDS = 3  # of one read: Sentinels that were learned are asked, too, and may list others
_MAX_REASONS = 5  # Sentinels whose errors are in the error of a source
_SHORT_REASONS = frozenset({AUTH, DNS, NOPERM, REFUSED, TIMEOUT})

Failure: TypeAlias = tuple[KnownSentinel, SourceError]
"""A Sentinel that did not reply, and why."""


class SentinelSource(Source):
    """Asks all Sentinels, and lists the servers that any of them knows.

    Sentinels that are not in the configuration are learned from the others. For a Sentinel that
    does not reply, its last reply counts for the primaries that no other Sentinel has.

    Args:
        name: unique name of the source.
        sentinels: URLs of Sentinels, `redis://` or `rediss://`.
        rules: make targets of what is listed.
        credentials: has those of the Sentinels.
        scheme: `redis` or `rediss`, for the primaries and replicas.
        masters: patterns of names of primaries.
        sentinel_credentials: name of the credentials of the Sentinels; "" for none.
        watch_sentinels: whether the Sentinels are shards themselves.
        interval: seconds between two reads.

    Raises:
        ValueError: there is no Sentinel, or its URL cannot be used.
    """

    kind: ClassVar[str] = "sentinel"
    limits: QueryLimits = QueryLimits()  #: the bounds of each connection

    def __init__(
        self,
        name: str,
        sentinels: Sequence[str],
        rules: TargetRules,
        credentials: CredentialSet,
        *,
        scheme: str = "redis",
        masters: Sequence[str] = ("*",),
        sentinel_credentials: str = "",
        watch_sentinels: bool = False,
        interval: float = 5.0,
    ) -> None:
        super().__init__(name, interval)
        if not sentinels:
            raise ValueError("expected the URL of at least one Sentinel")
        if any(parse_shard_url(url).scheme == "unix" for url in sentinels):
            raise ValueError("the URL of a Sentinel is redis:// or rediss://")
        self._known = KnownSentinels(sentinels)
        self._credentials = credentials
        self._sentinel_credentials = sentinel_credentials
        self._naming = SentinelNaming(rules, scheme, sentinel_credentials)
        self._patterns = MasterPatterns(tuple(masters))
        self._watch_sentinels = watch_sentinels
        self._remembered: Mapping[str, Target] = {}
        self._last: object = None  # what the last answer was made of

    def remember(self, targets: Mapping[str, Target]) -> None:
        """Take the targets of the last answer before a restart.

        While a Sentinel has not replied since, they stand in for the primaries that no other has.
        """
        self._remembered = dict(targets)
        if self._watch_sentinels:
            for target in targets.values():
                if CLUSTER_LABEL not in target.labels:
                    address = parse_shard_url(target.url)
                    one = Instance("", address.host, address.port)
                    self._known.learn([one], address.scheme, time.monotonic())

    def read(self) -> Answer | None:
        """Ask all Sentinels; return what they monitor, or None if it is the same as before.

        Raises:
            SourceError: none of them replies.
        """
        current, failed = self._ask_all()
        self._known.forget_old(time.monotonic())
        if not current:
            raise SourceError(", ".join(_reasons(failed)))
        old = [one.view for one, _ in failed if one.view is not None]
        pause = CooperativeYield(background=True).maybe_yield
        servers = combine(current, old, self._patterns, pause)
        sentinels = [one.url for one in self._known.distinct()] if self._watch_sentinels else []
        if self._known.all_replied:
            self._remembered = {}
        notes = [f"{one.name}: {error}" for one, error in failed]
        made_of = (servers, sentinels, notes, bool(self._remembered))
        if made_of == self._last:
            return None
        answer = self._answer(servers, sentinels, notes)
        self._last = made_of
        return answer

    def _ask_all(self) -> tuple[list[SentinelView], list[Failure]]:
        """Ask all Sentinels, also those that are learned meanwhile."""
        current: list[SentinelView] = []
        failed: list[Failure] = []
        asked: list[KnownSentinel] = []
        for _ in range(_MAX_ROUNDS):
            more = [one for one in self._known.to_ask() if one not in asked]
            if not more:
                break
            asked += more
            for one, result in zip(more, query_all(self._ask, more, _MAX_GREENLETS), strict=True):
                one.replied = isinstance(result, SentinelView)
                if isinstance(result, SentinelView):
                    self._take(one, result)
                    current.append(result)
                else:
                    failed.append((one, result))
        return current, failed

    def _ask(self, one: KnownSentinel) -> SentinelView:
        try:
            options = self._credentials.options_for(one.url, self._sentinel_credentials)
        except (CredentialsError, ValueError) as error:
            raise SourceError(str(error)) from None
        learned_at = one.learned_at
        others = learned_at is None or time.monotonic() - learned_at >= LEARN_INTERVAL
        return ask_sentinel(options, self._patterns, others=others, limits=self.limits)

    def _take(self, one: KnownSentinel, view: SentinelView) -> None:
        one.view, one.last_seen = view, time.monotonic()
        if view.sentinels is not None:
            one.learned_at = one.last_seen
            self._known.learn(view.sentinels, parse_shard_url(one.url).scheme, one.last_seen)

    def _answer(
        self, servers: Sequence[MonitoredServer], sentinels: Sequence[str], notes: Sequence[str]
    ) -> Answer:
        builder, yielder = AnswerBuilder(self._naming.rules), CooperativeYield(background=True)
        for note in notes:
            builder.note(note)
        for server in servers:
            builder.add(self._naming.candidate(server))
            yielder.maybe_yield()
        names = {server.cluster for server in servers}
        for ident, target in self._remembered.items():
            if target.labels.get(CLUSTER_LABEL, "") not in {"", *names}:
                builder.add_target(ident, target)
            yielder.maybe_yield()
        for url in sentinels:
            self._naming.add_sentinel(builder, url)
        return builder.answer()


def _reasons(failed: Sequence[Failure]) -> Iterator[str]:
    """Yield the errors of the first Sentinels in short."""
    for one, error in failed[:_MAX_REASONS]:
        reason = getattr(error, "reason", "")
        yield f"{one.name}: {reason if reason in _SHORT_REASONS else error}"
    if len(failed) > _MAX_REASONS:
        yield f"and {len(failed) - _MAX_REASONS} more"
