"""The operation `history`: values, pages, rights, and what it refuses."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.query.test_column_operations import ALL
from zinfo.errors import (
    BadRequestError,
    ChangedError,
    NotAllowedError,
    TooLargeError,
    UnknownOpError,
    UnknownShardError,
)
from zinfo.health.stats import Stats
from zinfo.history.history import SLACK, History
from zinfo.history.series import NAMES, SERIES
from zinfo.query.call import OperationResult, QueryLimits
from zinfo.query.operations import Operations
from zinfo.query.servicer import InfoProviderServicer
from zinfo.security.rights import Rights
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.codec import unpack
from zinfo.wire.history_pages import history_page_of
from zinfo.wire.identity import Identity
from zinfo.wire.query_messages import Request

NAN = math.nan
WALL = 1_700_000_000.0


class Source:
    """Takes the place of a poller."""

    def __init__(self) -> None:
        self.events = EventLog()
        self.revisions = 0
        self.callbacks: list[Any] = []

    def subscribe_snapshots(self, callback: Any) -> None:
        self.callbacks.append(callback)


class Daemon:
    """Operations on shards that were polled at 0, 5, 10, ... seconds; it is now 32 seconds."""

    def __init__(
        self, shards: int = 3, limits: QueryLimits | None = None, *, every_field: bool = False
    ) -> None:
        self.now = 0.0
        self.publisher, source = ShardPublisher(), Source()
        poller: Any = source
        history = History(
            self.publisher, poller, 6, 5.0, lambda: 100.0 + self.now, lambda: WALL + self.now
        )
        self.operations = Operations(
            InfoProviderServicer(self.publisher),
            poller,
            stats=Stats(),
            identity=Identity("test"),
            limits=limits or QueryLimits(),
            history=history,
        )
        for number in range(shards):
            labels = {"site": "fra" if number % 2 else "ams"}
            shard = RedisShard(f"s{number}", "redis://127.0.0.1:1", labels)
            self.publisher.add_shard(shard)
            shard.state = ShardState.UP
            for step in range(7):
                self.now = 5.0 * step
                raw = b"used_memory:%d\r\ntotal_net_input_bytes:%d\r\n" % (
                    1000 * number + step,
                    100 * step,
                )
                if every_field:
                    raw = b"".join(b"%b:%d\r\n" % (name, step) for name in NAMES)
                snapshot = Snapshot(raw, step + 1, WALL + self.now, 100.0 + self.now)
                source.callbacks[0](shard, None, snapshot)
        self.now = 32.0

    def run(self, rights: Rights = ALL, **args: Any) -> OperationResult:
        return self.operations.run(Request("history", args), rights)

    def body(self, rights: Rights = ALL, **args: Any) -> Any:
        return unpack(self.run(rights, **args).body)

    def values(self, rights: Rights = ALL, **args: Any) -> dict[str, Any]:
        """Shard to values, of one series."""
        page = history_page_of(self.body(rights, **args))
        (series,) = page.fields.values()
        if series is None:
            return dict.fromkeys(page.ids)
        found = [list(row) for row in zip(*[iter(series)] * page.points, strict=True)]
        return dict(zip(page.ids, found, strict=True))


@pytest.fixture(scope="module")
def daemon() -> Daemon:
    return Daemon()


def test_a_reply_has_the_values_of_all_shards_by_series(daemon: Daemon) -> None:
    body = daemon.body()
    assert list(body) == ["step", "newest", "points", "ids", "fields"]
    assert (body["step"], body["newest"], body["points"]) == (5.0, WALL + 25, 6)
    assert body["ids"] == ["s0", "s1", "s2"]
    assert list(body["fields"]) == list(SERIES)
    assert body["fields"]["memory"] == struct.pack(
        "<18f", *(1000 * shard + step for shard in range(3) for step in range(6))
    )
    assert body["fields"]["lag"] is None  # no shard has one


def test_shards_series_and_labels_are_chosen(daemon: Daemon) -> None:
    memory: dict[str, Any] = {"fields": ["memory"]}
    assert daemon.values(shard_ids=["s2", "s0"], **memory) == {
        "s2": [2000, 2001, 2002, 2003, 2004, 2005],
        "s0": [0, 1, 2, 3, 4, 5],
    }
    assert list(daemon.values(labels={"site": "ams"}, **memory)) == ["s0", "s2"]
    rates = daemon.values(ids=["s1"], fields=["net_in"])["s1"]
    assert rates == pytest.approx([NAN, 20, 20, 20, 20, 20], nan_ok=True)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (0, [0, 1, 2, 3, 4, 5]),
        (WALL + 15, [4, 5]),
        (WALL + 14, [3, 4, 5]),
        (WALL + 25, []),
        (WALL + 1000, []),
        (1e300, []),
    ],
)
def test_since_leaves_out_what_the_client_has(
    daemon: Daemon, since: float, expected: list[float]
) -> None:
    body = daemon.body(ids=["s0"], fields=["memory"], since=since)
    assert body["points"] == len(expected)
    assert list(memoryview(body["fields"]["memory"]).cast("f")) == expected


def pages(daemon: Daemon, **args: Any) -> Iterator[Any]:
    result = daemon.run(**args)
    while True:
        yield unpack(result.body)
        cursor = result.extra.get("cursor")
        if cursor is None:
            return
        result = daemon.run(**args, cursor=cursor)


@pytest.mark.parametrize("args", [{}, {"ids": ["s1", "s2", "s0", "s1"]}])
def test_the_pages_of_a_reply_have_the_same_steps(args: dict[str, Any]) -> None:
    daemon = Daemon()
    found = []
    for page in pages(daemon, limit=1, fields=["memory"], **args):
        found.append(page)
        daemon.now += 5.0  # a step ends between two pages
    assert [page["ids"] for page in found] == [[one] for one in args.get("ids", ["s0", "s1", "s2"])]
    assert {page["newest"] for page in found} == {WALL + 25}
    first = next(page for page in found if page["ids"] == ["s1"])
    assert first["fields"]["memory"] == struct.pack("<6f", *range(1000, 1006))


def test_a_page_is_bounded_in_bytes() -> None:
    daemon = Daemon(shards=5, limits=QueryLimits(page_bytes=512 + 2 * (6 * 4 * 8 + 7) + 5))
    assert [len(page["ids"]) for page in pages(daemon)] == [2, 2, 1]
    small = Daemon(shards=1, limits=QueryLimits(max_reply_bytes=600))
    with pytest.raises(TooLargeError, match="fewer fields"):
        small.run()
    assert small.values(fields=["memory"])


def test_a_page_that_comes_too_late_is_refused() -> None:
    daemon = Daemon()
    cursor = daemon.run(limit=1).extra["cursor"]
    daemon.now += 5.0 * (SLACK - 1)
    daemon.run(limit=1, cursor=cursor)
    daemon.now += 5.0
    with pytest.raises(ChangedError, match="too old"):
        daemon.run(limit=1, cursor=cursor)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"fields": ["used_memory"]}, "known are: ops, memory"),
        ({"fields": ["ops"] * 9}, "at most|may have 8"),
        ({"cursor": "s0"}, "cursor"),
        ({"cursor": "5.7.s0"}, "cursor"),
        ({"cursor": "999.6.s0"}, "cursor"),
        ({"cursor": "5.6.x", "ids": ["s0"]}, "cursor"),
        ({"since": -1}, "since"),
        ({"step": 1}, "unknown argument"),
    ],
)
def test_a_malformed_request_is_refused(daemon: Daemon, args: dict[str, Any], text: str) -> None:
    with pytest.raises(BadRequestError, match=text):
        daemon.run(**args)


def test_an_unknown_shard_is_refused(daemon: Daemon) -> None:
    with pytest.raises(UnknownShardError):
        daemon.run(ids=["s0", "none"])


def test_a_client_sees_its_shards_only(daemon: Daemon) -> None:
    rights = Rights("some", shards=("s1",))
    assert daemon.body(rights)["ids"] == ["s1"]
    with pytest.raises(NotAllowedError):
        daemon.run(rights, ids=["s0"])


@pytest.mark.parametrize("name", SERIES)
def test_a_series_is_hidden_with_each_field_that_it_is_computed_from(name: str) -> None:
    daemon = Daemon(shards=1, every_field=True)
    for field in SERIES[name]:
        body = daemon.body(Rights("some", hidden_fields=(field,)))
        hidden = {one for one, values in body["fields"].items() if values is None}
        assert hidden == {name}


def test_the_right_is_that_of_its_name() -> None:
    assert Rights("some", operations=frozenset({"history"})).can_call("history")
    assert not Rights("some", operations=frozenset({"get_infos"})).can_call("history")


def test_without_a_history_there_is_no_operation() -> None:
    source: Any = Source()
    operations = Operations(
        InfoProviderServicer(ShardPublisher()),
        source,
        stats=Stats(),
        identity=Identity("test"),
        limits=QueryLimits(),
    )
    assert "history" not in operations.names
    with pytest.raises(UnknownOpError):
        operations.run(Request("history", {}))
