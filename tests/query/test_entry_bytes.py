"""The encoded entries of a reply have each name once, whichever way they were encoded."""

from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest

from zinfo import InfoProviderServicer, RedisShard, ShardPublisher
from zinfo.loop.yielding import FairQueue, fair_queue_of_hub
from zinfo.query.call import QueryLimits
from zinfo.query.operations import Operations
from zinfo.shards.events import EventLog
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.query_messages import Request

RAW = b"role:master\r\nmeta:1\r\nused_memory:5\r\n"


def operations_of(*shard_ids: str) -> Operations:
    """Return operations on shards with one snapshot each."""
    publisher = ShardPublisher()
    for shard_id in shard_ids:
        publisher.add_shard(RedisShard(shard_id, "redis://127.0.0.1:1"))
        publisher.get_shard(shard_id).store(Snapshot(RAW, 7, 5.0, time.monotonic()), ops=0)
    nothing: Any = None  # not used by these requests
    poller: Any = SimpleNamespace(events=EventLog(), subscribe_snapshots=lambda _callback: None)
    return Operations(
        InfoProviderServicer(publisher),
        poller,
        stats=nothing,
        identity=nothing,
        limits=QueryLimits(),
    )


@pytest.mark.parametrize("keys", [["role"], ["meta", "role"], ["meta"], ["role", "role"]], ids=str)
def test_an_entry_has_one_meta_even_if_a_field_has_that_name(keys: list[str]) -> None:
    body = operations_of("a").run(Request("get_infos", {"keys": keys})).body
    (pairs,) = msgpack.unpackb(body, object_pairs_hook=list)
    assert sorted(name for name, _ in pairs) == sorted({*keys, "meta"})
    assert dict(dict(pairs)["meta"])["revision"] == 7


def test_a_quick_request_does_not_wait_for_low_priority_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = []

    def wait(_queue: FairQueue) -> float:
        waited.append(1)
        return math.inf

    monkeypatch.setattr(FairQueue, "wait_for_slice", wait)
    operations = operations_of("a", "b")
    fair_queue_of_hub().start_slice()  # low-priority work has used this iteration
    operations.run(Request("get_infos", {"shard_ids": ["a"]}))
    operations.run(Request("shards", {"ids": ["b"]}))
    assert not waited
    operations.run(Request("get_infos"))
    assert waited
