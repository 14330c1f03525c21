"""KnownSentinels: the Sentinels to ask, those of the configuration and those learned. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zinfo.discovery.sources.sentinel_replies import Instance
from zinfo.discovery.sources.sentinel_views import SentinelView
from zinfo.wire.addresses import check_host, host_port, lower_host, parse_shard_url

MAX_LEARNED = 50
"""Maximum number of Sentinels that are learned from others."""

FORGET_AFTER = 3600.0
"""Seconds after which one is forgotten that no other Sentinel lists and that does not reply."""


@dataclass(slots=True, eq=False)
class KnownSentinel:
    """A Sentinel, and how the last attempts to ask it ended.

    Attributes:
        url: where it is asked.
        configured: whether it is in the configuration; otherwise another Sentinel listed it.
        listed: whether another Sentinel has listed it.
        view: what it replied last; None if it never did.
        replied: whether it replied to the last attempt.
        last_seen: monotonic clock at which it replied or was listed last.
        learned_at: monotonic clock at which it was asked for other Sentinels; None if never.
    """

    url: str
    configured: bool
    listed: bool = False
    view: SentinelView | None = None
    replied: bool = False
    last_seen: float = 0.0
    learned_at: float | None = None

    @property
    def name(self) -> str:
        """Host and port."""
        return parse_shard_url(self.url).ident


class KnownSentinels:
    """The Sentinels that a source asks.

    One of the configuration may be the same as one that was learned, under another name, or a load
    balancer before several. It is recognised by its id, or by the IP address at which it replies.
    It is then asked under the learned address only, as long as it replies there.

    Args:
        urls: those of the configuration.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._configured = [KnownSentinel(url, configured=True) for url in dict.fromkeys(urls)]
        self._learned: dict[str, KnownSentinel] = {}  # by id; by address if there is none

    @property
    def all_replied(self) -> bool:
        """Whether each Sentinel has replied at least once."""
        return all(one.view is not None for one in (*self._configured, *self._learned.values()))

    def to_ask(self) -> list[KnownSentinel]:
        """Return those to ask, each once."""
        return [
            *(one for one in self._configured if not self._replies_elsewhere(one)),
            *self._learned.values(),
        ]

    def distinct(self) -> list[KnownSentinel]:
        """Return each Sentinel once.

        Without those of the configuration that never replied and that no other lists: they may be
        among the others.
        """
        configured = (one for one in self._configured if one.listed or one.view is not None)
        return [
            *(one for one in configured if self._twin(one) is None),
            *self._learned.values(),
        ]

    def learn(self, instances: Iterable[Instance], scheme: str, now: float) -> None:
        """Add Sentinels that another one lists.

        Args:
            instances: the Sentinels.
            scheme: that of the one that lists them.
            now: monotonic clock.
        """
        configured = {one.name: one for one in self._configured}
        for one in instances:
            host = lower_host(one.host)
            try:
                check_host(f"[{host}]" if ":" in host else host)
                url = parse_shard_url(f"{scheme}://{host_port(host, one.port)}").url
            except ValueError:
                continue
            if host in ("*", "0.0.0.0", "::"):
                continue
            address = host_port(host, one.port)
            if address in configured:
                configured[address].listed = True
                continue
            key = one.run_id or address
            known = self._learned.get(key)
            if known is None:
                self._learned.pop(address, None)  # its id was not known
                if len(self._learned) >= MAX_LEARNED:
                    continue
                known = self._learned[key] = KnownSentinel(url, configured=False, listed=True)
            known.url, known.last_seen = url, now

    def forget_old(self, now: float) -> None:
        """Forget those learned that were not seen for `FORGET_AFTER`."""
        for key, one in list(self._learned.items()):
            if now - one.last_seen > FORGET_AFTER:
                del self._learned[key]

    def _replies_elsewhere(self, one: KnownSentinel) -> bool:
        twin = self._twin(one)
        return twin is not None and twin.replied

    def _twin(self, one: KnownSentinel) -> KnownSentinel | None:
        """Return the learned Sentinel that is the same as one of the configuration."""
        if one.view is None:
            return None
        if one.view.run_id in self._learned:
            return self._learned[one.view.run_id]
        place = host_port(one.view.peer_host, parse_shard_url(one.url).port)
        return next((other for other in self._learned.values() if other.name == place), None)
