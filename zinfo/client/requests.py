"""The requests of a Client's operations, and the results made from their replies. Pure.

A `Call` is one operation with its arguments; `Paging` has the arguments of each page's request;
`Attempts` divides the time of a request among its tries. The blocking and the asyncio Client share
them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, cast

from zinfo.client.decoding import event_from_map
from zinfo.errors import NoAnswerError, ProtocolError
from zinfo.wire.lifecycle import Event
from zinfo.wire.query_messages import Reply, Request

Map: TypeAlias = "dict[str, Any]"  # as docs/reference/protocol.md describes it for each operation

_Result = TypeVar("_Result")

_MIN_DEADLINE = 0.001  # seconds; the protocol requires a deadline above 0


class RecentEvents(NamedTuple):
    """The events that a daemon has stored.

    Attributes:
        events: oldest first.
        oldest: number of the oldest stored event, of any shard.
        newest: number of the newest event; 0 before the first.
        missed: whether some of the requested events are no longer stored.
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
        args: its arguments; empty ones are not sent.
        read: returns the result, given the pages of the reply.
    """

    op: str
    args: Mapping[str, object]
    read: Callable[[Sequence[Reply]], _Result]


class Paging:
    """The arguments of the requests for the pages of one reply.

    Args:
        args: the operation's arguments; empty ones are defaults and left out.

    Attributes:
        args: those of the next request.
        done: whether the last page has come.
    """

    def __init__(self, args: Mapping[str, object]) -> None:
        self.args: Map = {name: value for name, value in args.items() if value}
        self.done = False

    def on_page(self, reply: Reply) -> None:
        """Note a page that has come."""
        if reply.cursor is None:
            self.done = True
        else:
            self.args["cursor"] = reply.cursor


class Attempts:
    """Divides the time until a deadline among the tries of one request; the first starts now.

    Args:
        request: its deadline is set for each try.
        retries: how often it may be sent again.
        now: local clock.
        deadline: local clock when the request times out.

    Attributes:
        request: the same.
        until: local clock when the current try times out.
    """

    def __init__(self, request: Request, retries: int, now: float, deadline: float) -> None:
        self.request = request
        self.until = deadline
        self._left = retries + 1
        self._started = now
        self._deadline = deadline
        self._start_try(now)

    def retry(self, now: float) -> bool:
        """Start the next try; return whether there is one."""
        if self._left <= 0:
            return False
        self._start_try(now)
        return True

    def _start_try(self, now: float) -> None:
        left = self._deadline - now
        self.request.deadline = max(_MIN_DEADLINE, left)
        self.until = now + left / self._left
        self._left -= 1

    def timeout_error(self, endpoint: str, now: float) -> NoAnswerError:
        """Return the error for a request that was not answered."""
        return NoAnswerError(
            f"no answer from {endpoint} within {now - self._started:.1f} s: is `zinfo serve` "
            "running, and is this its query endpoint?"
        )


# --- the operations


def hello() -> Call[Map]:
    """The daemon's name, version, endpoints, operations and limits."""
    return Call("hello", {}, _map)


def get_infos(arguments: Mapping[str, object]) -> Call[list[Map]]:
    """INFO of shards; `arguments` are those of `Client.get_infos`."""
    args = dict(arguments)
    for name in ("shard_ids", "keys", "sections"):
        args[name] = list_of_texts(cast("Collection[str]", args.get(name) or ()), name)
    if args.get("labels"):
        args["labels"] = dict(cast("Mapping[str, str]", args["labels"]))
    args["state"] = _one_or_more(cast("str | Collection[str]", args.get("state") or ()))
    return Call("get_infos", args, _maps)


def shards(
    ids: Collection[str], labels: Mapping[str, str] | None, state: str | Collection[str] = ()
) -> Call[list[Map]]:
    """State, age and labels of shards."""
    args = {
        "ids": list_of_texts(ids, "shard_ids"),
        "labels": dict(labels or {}),
        "state": _one_or_more(state),
    }
    return Call("shards", args, _maps)


def snapshot(ids: Collection[str]) -> Call[list[Map]]:
    """Shards with INFO, revision and state."""
    return Call("snapshot", {"ids": list_of_texts(ids, "shard_ids")}, _maps)


def events(since: int, ids: Collection[str]) -> Call[RecentEvents]:
    """The stored events after number `since`."""

    def read(pages: Sequence[Reply]) -> RecentEvents:
        found = [event_from_map(value) for value in _maps(pages)]
        oldest, newest = _count(pages[0], "oldest"), _count(pages[-1], "newest")
        return RecentEvents(found, oldest, newest, oldest > since + 1)

    return Call("events", {"since": since, "ids": list_of_texts(ids, "shard_ids")}, read)


def stats() -> Call[Map]:
    """The daemon's own counters."""
    return Call("stats", {}, _map)


def sources() -> Call[list[Map]]:
    """The sources of shards, with their state."""
    return Call("sources", {}, _maps)


def accept_source(name: str) -> Call[int]:
    """Remove at once the shards that a source's last answer lacks."""
    return Call("accept_source", {"name": name}, _number)


def ping() -> Call[float]:
    """The daemon's wall clock."""
    return Call("ping", {}, _time)


def list_of_texts(values: Collection[str], name: str) -> list[str]:
    """Return several texts as a list.

    Raises:
        TypeError: `values` is a single text, whose letters would be taken for texts.
    """
    if isinstance(values, str):
        raise TypeError(f"{name} takes several texts, not one")
    return list(values)


def _one_or_more(values: str | Collection[str]) -> list[str]:
    return [values] if isinstance(values, str) else list(values)


# --- the replies


def _map(pages: Sequence[Reply]) -> Map:
    body = pages[0].body
    if not isinstance(body, dict):
        raise ProtocolError("the reply is not a map")
    return body


def _maps(pages: Sequence[Reply]) -> list[Map]:
    entries: list[Map] = []
    for page in pages:
        body = page.body
        if not isinstance(body, list) or not all(isinstance(entry, dict) for entry in body):
            raise ProtocolError("the reply is not an array of maps")
        entries += body
    return entries


def _time(pages: Sequence[Reply]) -> float:
    body = pages[0].body
    if not isinstance(body, (int, float)):
        raise ProtocolError("the reply to ping is not a time")
    return float(body)


def _number(pages: Sequence[Reply]) -> int:
    body = pages[0].body
    if isinstance(body, bool) or not isinstance(body, int):
        raise ProtocolError("the reply is not an integer")
    return body


def _count(reply: Reply, name: str) -> int:
    value = reply.header.get(name)
    if not isinstance(value, int):
        raise ProtocolError(f"the reply's header has no {name}")
    return value
