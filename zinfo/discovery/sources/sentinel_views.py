"""Combines what several Sentinels say of the same primaries and replicas. Pure.

No Sentinel is the only witness: one that was reset has forgotten live replicas, and one that was
cut off still has the old primary. So the servers of all views are listed, and the view that saw the
last failover says which is the primary: Sentinels themselves follow the greater configuration epoch
(https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/, "Configuration epochs").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from zinfo.discovery.sources.sentinel_replies import Instance

Address = tuple[str, int]
"""Host and port."""


class Group(NamedTuple):
    """A primary and its replicas, as one Sentinel has them."""

    primary: Instance
    replicas: Sequence[Instance]


@dataclass(frozen=True, slots=True)
class SentinelView:
    """What one Sentinel replied.

    Attributes:
        groups: by name of the primary.
        sentinels: the other Sentinels that it knows; None if it was not asked for them.
        run_id: its id; "" if it does not say.
        peer_host: the IP address at which it replied.
    """

    groups: Mapping[str, Group]
    sentinels: Sequence[Instance] | None = None
    run_id: str = ""
    peer_host: str = ""


class MonitoredServer(NamedTuple):
    """A server that Sentinels monitor.

    Attributes:
        address: its host and port.
        cluster: name of its primary in the configuration of the Sentinels.
        primary: address of its primary; its own if it is the primary.
    """

    address: Address
    cluster: str
    primary: Address


@dataclass(frozen=True, slots=True)
class MasterPatterns:
    """The names of primaries that are listed.

    Attributes:
        patterns: of `fnmatch`; a name is listed if one of them matches.
    """

    patterns: Sequence[str] = field(default=("*",))

    def rank(self, name: str) -> int:
        """Return the position of the first pattern that matches; their number if none does."""
        return next(
            (at for at, one in enumerate(self.patterns) if fnmatchcase(name, one)),
            len(self.patterns),
        )

    def match(self, name: str) -> bool:
        """Return whether a name is listed."""
        return self.rank(name) < len(self.patterns)


def combine(
    current: Iterable[SentinelView],
    old: Iterable[SentinelView],
    patterns: MasterPatterns,
    pause: Callable[[], None],
) -> list[MonitoredServer]:
    """Return the servers in all views, those of a primary together, in an order that stays.

    Args:
        current: views of the Sentinels that replied.
        old: last views of those that did not; only primaries that no other view has are used.
        patterns: the names that are listed. Where two primaries share a server, it belongs to the
            one whose pattern is the first.
        pause: called after each piece of work.
    """
    groups: dict[str, list[Group]] = {}
    for view in current:
        for name, group in view.groups.items():
            groups.setdefault(name, []).append(group)
            pause()
    lacking: dict[str, list[Group]] = {}
    for view in old:
        for name, group in view.groups.items():
            if name not in groups:
                lacking.setdefault(name, []).append(group)
            pause()
    groups.update(lacking)
    order: list[tuple[int, str]] = []
    for name in groups:
        order.append((patterns.rank(name), name))
        pause()
    found: list[MonitoredServer] = []
    for _, name in sorted(order):
        found.extend(_servers(name, groups[name]))
        pause()
    return found


def _servers(name: str, groups: Sequence[Group]) -> list[MonitoredServer]:
    primary = _primary(groups)
    others = {_address(group.primary) for group in groups}
    for group in groups:
        others.update(map(_address, group.replicas))
    others.discard(primary)
    return [MonitoredServer(one, name, primary) for one in (primary, *sorted(others))]


def _primary(groups: Sequence[Group]) -> Address:
    """Return the primary: of the last failover, then of most views, then the first by address."""
    votes = Counter((group.primary.config_epoch, _address(group.primary)) for group in groups)
    return min(votes, key=lambda one: (-one[0], -votes[one], one[1]))[1]


def _address(instance: Instance) -> Address:
    return instance.host.lower(), instance.port
