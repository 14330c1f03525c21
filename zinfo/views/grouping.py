"""Groups of rows: by label, cluster, primary, version, state or host. Pure.

| text | rows of a group have in common |
|---|---|
| `label:NAME` | the value of a label |
| `cluster` | the label `cluster`; without one, a primary that has replicas |
| `primary` | a primary, and the replicas that follow it, directly or not |
| `version`, `state` | these |
| `host` | the host in the id |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from zinfo.views.peers import FIELDS, REPLICA_ROLE, Peers, split_address
from zinfo.views.quantities import QUANTITIES, quantity
from zinfo.views.rows import Row
from zinfo.views.totals import Totals, total_of, totals
from zinfo.wire.nearest import nearest

GROUPINGS: Mapping[str, str] = {
    "cluster": "cluster",
    "primary": "primary with its replicas",
    "version": "version",
    "state": "state",
    "host": "host",
}
"""What rows can be grouped by, besides `label:NAME`, and how a chooser calls it."""

STANDALONE = "standalone"
"""Title of the group of the shards that are in no cluster and have no replicas."""

UNNAMED_CLUSTER = "cluster without a name"
"""Title of the group of the nodes of clusters that no label names."""

NONE = "(none)"
"""Title of the group of rows that do not have what rows are grouped by."""

TOTALS_FIELDS = frozenset().union(
    *(QUANTITIES[name].fields for name in ("ops", "memory", "full", "keys", "clients", "hits"))
)
"""The fields of INFO that totals are made from."""

_LABEL = "label:"
_Named: TypeAlias = "Callable[[Row], tuple[str, str]]"  # key and title of a row's group


class GroupingError(ValueError):
    """A text names no grouping; the message says why, in one line."""


@dataclass(frozen=True)
class Group:
    """Some rows that have something in common.

    Attributes:
        key: identifies the group among all of one grouping; the same after each refresh.
        title: what they have in common, for people.
        rows: the rows, in the order in which they were given; in `primary` the primary first.
    """

    key: str
    title: str
    rows: Sequence[Row]

    @cached_property
    def totals(self) -> Totals:
        """The totals of the rows, computed when they are first needed."""
        return totals(self.rows)


def check_grouping(by: str) -> None:
    """Raise an error if a text names no grouping.

    Raises:
        GroupingError: it names none.
    """
    if by not in GROUPINGS and not (by.startswith(_LABEL) and by != _LABEL):
        raise GroupingError(
            f"rows cannot be grouped by {by[:80]!r}{nearest(by, GROUPINGS)}: expected label:NAME, "
            f"{', '.join(list(GROUPINGS)[:-1])} or {list(GROUPINGS)[-1]}"
        )


def grouping_fields(by: str) -> frozenset[str]:
    """Return the fields of INFO that a grouping reads, besides `TOTALS_FIELDS`."""
    if by == "primary":
        return frozenset(FIELDS)
    return frozenset((*FIELDS, "redis_mode")) if by == "cluster" else frozenset()


def group_rows(
    rows: Sequence[Row],
    by: str,
    *,
    everything: Sequence[Row] | None = None,
    sort: str = "id",
    reverse: bool = False,
) -> list[Group]:
    """Return rows in groups.

    Groups are sorted by the total of the quantity that rows are sorted by, those without a total
    last. If the quantity has no total, as texts have none, a group comes where its first row is.

    Args:
        rows: the rows to show, sorted by `sort`.
        by: as in the table above.
        everything: all shards, among which primaries are found; None for `rows`.
        sort: name of the quantity that rows are sorted by.
        reverse: whether rows are sorted against its default direction.

    Raises:
        GroupingError: `by` names no grouping.
        UnknownQuantityError: `sort` is invalid.
    """
    check_grouping(by)
    named = _named(by, rows if everything is None else everything)
    members: dict[str, list[Row]] = {}
    titles: dict[str, str] = {}
    for row in rows:
        key, title = named(row)
        members.setdefault(key, []).append(row)
        titles.setdefault(key, title)
    if by == "primary":
        members = {key: _primary_first(key, found) for key, found in members.items()}
    groups = [Group(key, titles[key], found) for key, found in members.items()]
    return _sorted(groups, sort, reverse=reverse)


def _sorted(groups: list[Group], sort: str, *, reverse: bool) -> list[Group]:
    one = quantity(sort)
    if not one.total:
        return groups
    valued = [(total_of(one, group.rows), group) for group in groups]
    known = [(value, group) for value, group in valued if value is not None]
    known.sort(key=lambda pair: pair[0], reverse=one.falling != reverse)
    return [group for _, group in known] + [group for value, group in valued if value is None]


def _primary_first(key: str, rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.shard != key, row.role == REPLICA_ROLE))


def _named(by: str, everything: Sequence[Row]) -> _Named:
    """Return the function that gives key and title of a row's group."""
    if by.startswith(_LABEL):
        return _by_text(lambda row: row.labels.get(by.removeprefix(_LABEL)))
    if by == "cluster":
        return _by_cluster(everything)
    if by == "primary":
        return _by_primary(everything)
    return _by_text(_TEXTS[by])


def _by_text(text: Callable[[Row], str | None]) -> _Named:
    def named(row: Row) -> tuple[str, str]:
        found = text(row)
        return (found, found) if found else ("", NONE)

    return named


def _host(row: Row) -> str | None:
    found = split_address(row.shard)
    return found[0] if found else row.labels.get("hostname")


_TEXTS: Mapping[str, Callable[[Row], str | None]] = {
    "version": lambda row: row.version,
    "state": lambda row: row.shown_state,
    "host": _host,
}


def _by_primary(everything: Iterable[Row]) -> _Named:
    peers = Peers(everything)

    def named(row: Row) -> tuple[str, str]:
        root = peers.root(row)
        return root, root if root in peers else f"{root} (not polled)"

    return named


def _by_cluster(everything: Sequence[Row]) -> _Named:
    peers = Peers(everything)
    roots = {row.shard: peers.root(row) for row in everything if not row.labels.get("cluster")}
    sizes: dict[str, int] = {}
    for root in roots.values():
        sizes[root] = sizes.get(root, 0) + 1

    def named(row: Row) -> tuple[str, str]:
        label = row.labels.get("cluster")
        if label:
            return f"cluster:{label}", label
        if row.info.get("redis_mode") == "cluster":
            return "unnamed", UNNAMED_CLUSTER
        root = roots.get(row.shard, row.shard)
        if sizes.get(root, 0) > 1 or root not in peers:
            return f"primary:{root}", root
        return "standalone", STANDALONE

    return named
