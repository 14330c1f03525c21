"""The commands to one Sentinel, where old ones, hostile ones and changes need others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from zinfo.discovery.nested_reply import Reply
from zinfo.discovery.server_query import ServerQueryError
from zinfo.discovery.sources import sentinel_query
from zinfo.discovery.sources.sentinel_query import SentinelQuery
from zinfo.discovery.sources.sentinel_views import MasterPatterns, SentinelView
from zinfo.errors import SourceError

NO_SUCH = "ERR No such master with that name"


class Connection:
    """A connection to a Sentinel with given replies; others are those of old Sentinels."""

    peer_host = "10.0.0.9"

    def __init__(self, **replies: Reply | str) -> None:
        self.commands: list[str] = []
        self._replies = {name.replace("_", " "): reply for name, reply in replies.items()}

    def run(self, *words: str) -> Reply:
        [reply] = self.run_together([words])
        if isinstance(reply, ServerQueryError):
            raise reply
        return reply

    def run_together(self, commands: Sequence[Sequence[str]]) -> list[Reply | ServerQueryError]:
        return [self._reply(" ".join(words[1:])) for words in commands]

    def _reply(self, command: str) -> Reply | ServerQueryError:
        self.commands.append(command)
        reply = self._replies.get(command, "ERR Unknown sentinel subcommand 'x'")
        return ServerQueryError(reply) if isinstance(reply, str) else reply


def server(name: str, host: str, *more: bytes) -> Reply:
    return [b"name", name.encode(), b"ip", host.encode(), b"port", b"6379", *more]


def view(connection: Any, *patterns: str, others: bool = False) -> SentinelView:
    return SentinelQuery(connection).view(MasterPatterns(patterns or ("*",)), others=others)


def test_before_redis_5_the_replicas_are_called_slaves() -> None:
    old = Connection(
        MASTERS=[server("a", "10.0.0.1"), server("b", "10.0.0.2")],
        SLAVES_a=[server("", "10.0.0.3")],
        SLAVES_b=[],
    )
    groups = view(old).groups
    assert [one.host for one in groups["a"].replicas] == ["10.0.0.3"]
    assert old.commands == ["MASTERS", "REPLICAS a", "REPLICAS b", "SLAVES a", "SLAVES b", "MYID"]


def test_only_what_is_needed_is_asked_for() -> None:
    few = Connection(
        MASTERS=[server("a", "10.0.0.1", b"num-slaves", b"0"), server("b", "10.0.0.2")],
        SENTINELS_a=[server("", "10.0.0.8")],
        MYID=b"0" * 40,
    )
    seen = view(few, "a", others=True)
    assert few.commands == ["MASTERS", "SENTINELS a", "MYID"]
    assert [one.host for one in seen.sentinels or ()] == ["10.0.0.8"]
    assert (seen.run_id, seen.peer_host) == ("0" * 40, "10.0.0.9")


def test_a_primary_that_was_removed_meanwhile_is_left_out() -> None:
    changing = Connection(
        MASTERS=[server("a", "10.0.0.1"), server("b", "10.0.0.2")],
        REPLICAS_a=NO_SUCH,
        REPLICAS_b=[],
    )
    assert list(view(changing).groups) == ["b"]
    failing = Connection(MASTERS=[server("a", "10.0.0.1")], REPLICAS_a="ERR other")
    with pytest.raises(SourceError, match="ERR other"):
        view(failing)


@pytest.mark.parametrize("name", ["", "x" * 257, "\x1b[31m", "a\nb"])
def test_names_that_no_primary_has_are_left_out(name: str) -> None:
    hostile = Connection(MASTERS=[server(name, "10.0.0.1"), server("b", "10.0.0.2")], REPLICAS_b=[])
    assert list(view(hostile).groups) == ["b"]


def test_replies_that_are_not_those_of_a_sentinel_are_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SourceError, match="not that of a Sentinel"):
        view(Connection(MASTERS=b"OK"))
    monkeypatch.setattr(sentinel_query, "MAX_PRIMARIES", 1)
    with pytest.raises(SourceError, match="more than 1 primaries"):
        view(Connection(MASTERS=[server("a", "10.0.0.1"), server("b", "10.0.0.2")]))
