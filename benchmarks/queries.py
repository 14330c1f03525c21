"""The questions of a load, and what makes an answer to one wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zinfo.wire.protocol import Reply, Request

FIELD = "used_memory"  # every server has it; a number

_LEAST_FIELDS = 10  # that a whole INFO has; any server has more


@dataclass
class PendingQuery:
    """A question under way.

    Attributes:
        name: of the question, as a mix names it.
        request: the one whose reply is awaited; of the present page.
        check: says what is wrong with the body of a reply, or nothing.
        seen: ids of the shards of earlier pages.
        known: newest revision of each shard that an answer had shown when it was asked. An answer
            that is long is made while others are; only behind what came before it, it is wrong.
        due: when it was to be asked, seconds of the monotonic clock.
        sent: when that page was asked for.
    """

    name: str
    request: Request
    check: Callable[[Any], str]
    seen: set[str] = field(default_factory=set)
    known: dict[str, int] = field(default_factory=dict)
    due: float = 0.0
    sent: float = 0.0


class QueryGenerator:
    """Makes questions at random, and judges the answers.

    Args:
        shards: ids that may be asked about.
        mix: name of a question to its weight.
        seed: of the chance.
    """

    def __init__(self, shards: list[str], mix: dict[str, float], seed: int = 0) -> None:
        self._shards = shards
        self._names, self._weights = list(mix), list(mix.values())
        self._chance = random.Random(seed)
        self._revisions: dict[str, int] = {}  # newest seen of each shard: it never goes back
        self._ids = 0

    def next(self) -> PendingQuery:
        """Return the next question."""
        (name,) = self._chance.choices(self._names, self._weights)
        return _MAKE[name](self, name)

    def wrong(self, asked: PendingQuery, reply: Reply) -> str:
        """Return what is wrong with a reply that is no error; empty where nothing is.

        Where there are more pages, `asked` asks for the next one afterwards.
        """
        try:
            problem = asked.check(reply.body)
        except (KeyError, TypeError, AttributeError) as error:
            problem = f"cannot be read: {error!r}"
        if not problem and reply.cursor is not None:
            self._ids += 1
            args = {**asked.request.args, "cursor": reply.cursor}
            asked.request = Request(asked.request.op, args, self._ids)
        return problem and f"{asked.name}: {problem}"

    def _ask(self, name: str, op: str, args: dict[str, object]) -> PendingQuery:
        self._ids += 1
        return PendingQuery(name, Request(op, args, self._ids), _is_map)

    def _one(self, name: str) -> PendingQuery:
        shard = self._chance.choice(self._shards)
        args: dict[str, object] = {"shard_ids": [shard]}
        if name == "field":
            args["keys"] = [FIELD]
        asked = self._ask(name, "get_infos", args)
        asked.known = {shard: self._revisions.get(shard, 0)}
        asked.check = lambda body: self._infos(body, asked, only=shard)
        return asked

    def _all(self, name: str) -> PendingQuery:
        asked = self._ask(name, "get_infos", {"keys": [FIELD]} if name == "fields" else {})
        asked.known = dict(self._revisions)
        asked.check = lambda body: self._infos(body, asked)
        return asked

    def _shards_of(self, name: str) -> PendingQuery:
        asked = self._ask(name, "shards", {})
        asked.check = lambda body: _new(asked, [shard["id"] for shard in body])
        return asked

    def _ping(self, name: str) -> PendingQuery:
        asked = self._ask(name, "ping", {})
        asked.check = lambda body: "" if isinstance(body, float) else f"{body!r} is no time"
        return asked

    def _stats(self, name: str) -> PendingQuery:
        return self._ask(name, "stats", {})

    def _infos(
        self, body: list[dict[str, Any]], asked: PendingQuery, only: str | None = None
    ) -> str:
        if only is not None and [info["meta"]["shard_identifier"] for info in body] != [only]:
            return f"not the one shard {only}"
        for info in body:
            shard, revision = info["meta"]["shard_identifier"], info["meta"]["revision"]
            if revision < asked.known.get(shard, 0):
                return f"{shard} goes back to revision {revision}"
            self._revisions[shard] = max(revision, self._revisions.get(shard, 0))
            if info["meta"]["info_age"] < 0:
                return f"{shard} is from the future"
            if asked.name in ("one", "all"):
                if len(info) < _LEAST_FIELDS:
                    return f"{shard} has {len(info)} fields only"
            elif info.keys() - {"meta", FIELD} or type(info.get(FIELD, 0)) is not int:
                return f"{shard} has other than the field asked for"
        return _new(asked, [info["meta"]["shard_identifier"] for info in body])


def _is_map(body: object) -> str:
    return "" if isinstance(body, dict) else "not a map"


def _new(asked: PendingQuery, shards: list[str]) -> str:
    if len(set(shards)) < len(shards) or asked.seen.intersection(shards):
        return "a shard stands there twice"
    asked.seen.update(shards)
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
    "one": "one shard whole",
    "field": "one field of one shard",
    "all": "all shards whole, page by page",
    "fields": "one field of all shards",
    "shards": "what the daemon knows of all shards",
    "ping": "ping",
    "stats": "the daemon's counters",
}  # the questions of a mix, in words
