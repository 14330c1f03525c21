"""Generates the queries of a load, and checks their replies."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zinfo.wire.query_messages import Reply, Request

FIELD = "used_memory"  # a number that every server reports

_MIN_FIELDS = 10  # fewer fields are not a complete INFO; any server has more


@dataclass
class PendingQuery:
    """A query that awaits its reply.

    Attributes:
        name: Name of the query in a mix.
        request: The outstanding request, for the current page.
        check: Returns what is wrong with the body of a reply; an empty text if nothing is.
        seen: Ids of the shards on earlier pages.
        known: Newest revision of each shard that had been received when the query was sent. A
            long reply is made while shorter ones are, so it may be older than replies received
            since; it is wrong only if it is older than this.
        due: When it was due, in seconds of the monotonic clock.
        sent: When the request of the current page was sent, by the same clock.
    """

    name: str
    request: Request
    check: Callable[[Any], str]
    seen: set[str] = field(default_factory=set)
    known: dict[str, int] = field(default_factory=dict)
    due: float = 0.0
    sent: float = 0.0


class QueryGenerator:
    """Generates random queries, and checks the replies.

    Args:
        shards: Ids of the shards that may be queried.
        mix: Weight of each query, by name.
        seed: Seed of the random number generator.
    """

    def __init__(self, shards: list[str], mix: dict[str, float], seed: int = 0) -> None:
        self._shards = shards
        self._names, self._weights = list(mix), list(mix.values())
        self._random = random.Random(seed)
        self._revisions: dict[str, int] = {}  # newest revision received of each shard
        self._ids = 0

    def next(self) -> PendingQuery:
        """Return the next query."""
        (name,) = self._random.choices(self._names, self._weights)
        return _MAKE[name](self, name)

    def problem(self, query: PendingQuery, reply: Reply) -> str:
        """Return what is wrong with a reply without error; an empty text if nothing is.

        If the reply has a cursor, `query.request` is replaced by the request for the next page.
        """
        try:
            problem = query.check(reply.body)
        except (KeyError, TypeError, AttributeError) as error:
            problem = f"cannot be read: {error!r}"
        if not problem and reply.cursor is not None:
            self._ids += 1
            args = {**query.request.args, "cursor": reply.cursor}
            query.request = Request(query.request.op, args, self._ids)
        return problem and f"{query.name}: {problem}"

    def _ask(self, name: str, op: str, args: dict[str, object]) -> PendingQuery:
        self._ids += 1
        return PendingQuery(name, Request(op, args, self._ids), _is_map)

    def _one(self, name: str) -> PendingQuery:
        shard = self._random.choice(self._shards)
        args: dict[str, object] = {"shard_ids": [shard]}
        if name == "field":
            args["keys"] = [FIELD]
        query = self._ask(name, "get_infos", args)
        query.known = {shard: self._revisions.get(shard, 0)}
        query.check = lambda body: self._infos(body, query, only=shard)
        return query

    def _all(self, name: str) -> PendingQuery:
        query = self._ask(name, "get_infos", {"keys": [FIELD]} if name == "fields" else {})
        query.known = dict(self._revisions)
        query.check = lambda body: self._infos(body, query)
        return query

    def _shards_of(self, name: str) -> PendingQuery:
        query = self._ask(name, "shards", {})
        query.check = lambda body: _new(query, [shard["id"] for shard in body])
        return query

    def _ping(self, name: str) -> PendingQuery:
        query = self._ask(name, "ping", {})
        query.check = lambda body: "" if isinstance(body, float) else f"{body!r} is no time"
        return query

    def _stats(self, name: str) -> PendingQuery:
        return self._ask(name, "stats", {})

    def _infos(
        self, body: list[dict[str, Any]], query: PendingQuery, only: str | None = None
    ) -> str:
        if only is not None and [info["meta"]["shard_identifier"] for info in body] != [only]:
            return f"not the one shard {only}"
        for info in body:
            shard, revision = info["meta"]["shard_identifier"], info["meta"]["revision"]
            if revision < query.known.get(shard, 0):
                return f"{shard} goes back to revision {revision}"
            self._revisions[shard] = max(revision, self._revisions.get(shard, 0))
            if info["meta"]["info_age"] < 0:
                return f"{shard} has a negative age"
            if query.name in ("one", "all"):
                if len(info) < _MIN_FIELDS:
                    return f"{shard} has only {len(info)} fields"
            elif info.keys() - {"meta", FIELD} or type(info.get(FIELD, 0)) is not int:
                return f"{shard} does not have exactly the requested field"
        return _new(query, [info["meta"]["shard_identifier"] for info in body])


def _is_map(body: object) -> str:
    return "" if isinstance(body, dict) else "not a map"


def _new(query: PendingQuery, shards: list[str]) -> str:
    if len(set(shards)) < len(shards) or query.seen.intersection(shards):
        return "a shard is listed twice"
    query.seen.update(shards)
    return ""


_MAKE: dict[str, Callable[[QueryGenerator, str], PendingQuery]] = {
    "one": QueryGenerator._one,
    "field": QueryGenerator._one,
    "all": QueryGenerator._all,
    "fields": QueryGenerator._all,
    "shards": QueryGenerator._shards_of,
    "ping": QueryGenerator._ping,
    "stats": QueryGenerator._stats,
}
NAMES = {
    "one": "all fields of one shard",
    "field": "one field of one shard",
    "all": "all fields of all shards, page by page",
    "fields": "one field of all shards",
    "shards": "state of all shards",
    "ping": "ping",
    "stats": "the daemon's counters",
}  # descriptions of the queries in a mix
