"""What a Client's operations ask, and what they make of the replies. Pure; shared by both flavours.

A `Call` is one operation with its arguments; `Paging` follows its reply from page to page;
`Attempts` shares the time of a request out among its tries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, cast

from zinfo.client.decoding import event_from
from zinfo.errors import NoAnswerError, ProtocolError
from zinfo.wire.lifecycle import Event
from zinfo.wire.query_messages import Reply, Request

Map: TypeAlias = "dict[str, Any]"  # as docs/protocol.md describes it for each operation

_Result = TypeVar("_Result")

_LEAST_DEADLINE = 0.001  # seconds; the wire takes none that is not above 0


class RecentEvents(NamedTuple):
    """The events that a daemon still holds.

    Attributes:
        events: oldest first.
        oldest: number of the oldest event that it holds, of any shard.
        newest: number of its newest event; 0 before the first.
        missed: whether some of those asked for are held no more.
    """

    events: list[Event]
    oldest: int
    newest: int
    missed: bool


@dataclass(frozen=True)
class Call(Generic[_Result]):
    """One operation.

    Attributes:
        op: its name.
        args: its arguments; those that are empty are not sent.
        read: makes the result of the reply's pages.
    """

    op: str
    args: Mapping[str, object]
    read: Callable[[Sequence[Reply]], _Result]


class Paging:
    """The pages of a reply: which arguments ask for the next one.

    Args:
        args: the operation's arguments; what is empty is the default, and left out.

    Attributes:
        args: what to ask with now.
        done: whether the last page has come.
    """

    def __init__(self, args: Mapping[str, object]) -> None:
        self.args: Map = {name: value for name, value in args.items() if value}
        self.done = False

    def took(self, reply: Reply) -> None:
        """A page came."""
        if reply.cursor is None:
            self.done = True
        else:
            self.args["cursor"] = reply.cursor


class Attempts:
    """Shares the time until a deadline out among the tries of one request; the first begins now.

    Args:
        request: it; its deadline is set anew for each try.
        retries: how often it may be asked again.
        now: local clock.
        deadline: local clock when it is given up.

    Attributes:
        request: the same.
        until: local clock when this try is given up.
    """

    def __init__(self, request: Request, retries: int, now: float, deadline: float) -> None:
        self.request = request
        self.until = deadline
        self._left = retries + 1
        self._started = now
        self._deadline = deadline
        self._begin(now)

    def again(self, now: float) -> bool:
        """Begin the next try; returns whether there is one."""
        if self._left <= 0:
            return False
        self._begin(now)
        return True

    def _begin(self, now: float) -> None:
        left = self._deadline - now
        self.request.deadline = max(_LEAST_DEADLINE, left)
        self.until = now + left / self._left
        self._left -= 1

    def failed(self, endpoint: str, now: float) -> NoAnswerError:
        """Return the error that says that no try was answered."""
        return NoAnswerError(
            f"no answer from {endpoint} within {now - self._started:.1f} s: is `zinfo serve` "
            "running, and is this its query endpoint?"
        )


# --- the operations


def hello() -> Call[Map]:
    """Who answers, and what it offers."""
    return Call("hello", {}, _map)


def get_infos(arguments: Mapping[str, object]) -> Call[list[Map]]:
    """INFO of shards, by the arguments of `Client.get_infos`."""
    args = dict(arguments)
    for name in ("shard_ids", "keys", "sections"):
        args[name] = texts(cast("Collection[str]", args.get(name) or ()), name)
    if args.get("labels"):
        args["labels"] = dict(cast("Mapping[str, str]", args["labels"]))
    return Call("get_infos", args, _maps)


def shards(ids: Collection[str], labels: Mapping[str, str] | None) -> Call[list[Map]]:
    """How shards do."""
    return Call("shards", {"ids": texts(ids, "ids"), "labels": dict(labels or {})}, _maps)


def snapshot(ids: Collection[str]) -> Call[list[Map]]:
    """Shards as a mirror needs them."""
    return Call("snapshot", {"ids": texts(ids, "ids")}, _maps)


def events(since: int, ids: Collection[str]) -> Call[RecentEvents]:
    """The newest events."""

    def read(pages: Sequence[Reply]) -> RecentEvents:
        found = [event_from(value) for value in _maps(pages)]
        oldest, newest = _count(pages[0], "oldest"), _count(pages[-1], "newest")
        return RecentEvents(found, oldest, newest, oldest > since + 1)

    return Call("events", {"since": since, "ids": texts(ids, "ids")}, read)


def stats() -> Call[Map]:
    """The daemon's own counters."""
    return Call("stats", {}, _map)


def ping() -> Call[float]:
    """The daemon's wall clock."""
    return Call("ping", {}, _time)


def texts(values: Collection[str], name: str) -> list[str]:
    """Return several texts as they are sent.

    Raises:
        TypeError: it is one text, whose letters would be taken for texts.
    """
    if isinstance(values, str):
        raise TypeError(f"{name} takes several texts, not one")
    return list(values)


# --- the replies


def _map(pages: Sequence[Reply]) -> Map:
    body = pages[0].body
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a map")
    return body


def _maps(pages: Sequence[Reply]) -> list[Map]:
    entries: list[Map] = []
    for page in pages:
        body = page.body
        if not isinstance(body, list) or not all(isinstance(entry, dict) for entry in body):
            raise ProtocolError("the answer is not an array of maps")
        entries += body
    return entries


def _time(pages: Sequence[Reply]) -> float:
    body = pages[0].body
    if not isinstance(body, (int, float)):
        raise ProtocolError("ping was not answered with a time")
    return float(body)


def _count(reply: Reply, name: str) -> int:
    value = reply.header.get(name)
    if not isinstance(value, int):
        raise ProtocolError(f"the answer's header has no {name}")
    return value
