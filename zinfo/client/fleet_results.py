"""What the requests of a Fleet return: results of several daemons, and what they lack. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from zinfo.client.columns import Columns
from zinfo.client.fleet_coverage import MissingSlice
from zinfo.client.history import History
from zinfo.wire.lifecycle import Event

_Item = TypeVar("_Item")


class FleetList(list[_Item]):
    """A list, as `Client` returns it, of all daemons.

    Args:
        items: the content.
        missing: as below.

    Attributes:
        missing: the slices without which shards may be missing; empty if none are.
    """

    def __init__(self, items: Iterable[_Item] = (), missing: tuple[MissingSlice, ...] = ()) -> None:
        super().__init__(items)
        self.missing = missing


class FleetDict(dict[str, _Item]):
    """The reply of each daemon, by its endpoint.

    Args:
        replies: the content.
        missing: as below.

    Attributes:
        missing: the daemons that did not answer, each with the reason.
    """

    def __init__(
        self, replies: Mapping[str, _Item], missing: tuple[MissingSlice, ...] = ()
    ) -> None:
        super().__init__(replies)
        self.missing = missing


class FleetColumns(Columns):
    """Columns of all daemons: each shard once, sorted by id.

    Attributes:
        missing: the slices without which shards may be missing; empty if none are.
    """

    __slots__ = ("missing",)

    def __init__(self, columns: Columns, missing: tuple[MissingSlice, ...] = ()) -> None:
        super().__init__(columns.ids, columns.ages, columns.states, dict(columns))
        self.missing = missing


class FleetHistory(History):
    """The history of all daemons: each shard once.

    Attributes:
        missing: the slices without which shards may be missing; empty if none are.
    """

    __slots__ = ("missing",)

    def __init__(self, history: History, missing: tuple[MissingSlice, ...] = ()) -> None:
        super().__init__(history.ids, history.step, history.newest, history.points, dict(history))
        self.missing = missing


class FleetEvent(NamedTuple):
    """An event, and the daemon that counted it.

    Attributes:
        event: the event; its `number` and `seq` count the events of this run of this daemon.
        node: name of the daemon.
        epoch: random number that identifies this run of the daemon.
        endpoint: query endpoint of the daemon.
    """

    event: Event
    node: str
    epoch: int
    endpoint: str
