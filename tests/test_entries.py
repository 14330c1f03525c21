"""The bytes of an answer's entries: each name once, whichever way they were made."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest

from zinfo import InfoProviderServicer, RedisShard, ShardPublisher
from zinfo.events import EventLog
from zinfo.operations import Operations, QueryLimits
from zinfo.protocol import Request
from zinfo.snapshot import Snapshot

RAW = b"role:master\r\nmeta:1\r\nused_memory:5\r\n"


@pytest.mark.parametrize("keys", [["role"], ["meta", "role"], ["meta"], ["role", "role"]], ids=str)
def test_the_meta_of_an_entry_is_the_shards_and_stands_there_once(keys: list[str]) -> None:
    publisher = ShardPublisher()
    publisher.add_shard(RedisShard("a", "redis://127.0.0.1:1"))
    publisher.get_shard("a").store(Snapshot(RAW, 7, 5.0, time.monotonic()), ops=0)
    nothing: Any = None  # of what is not asked here
    poller: Any = SimpleNamespace(events=EventLog())
    operations = Operations(
        InfoProviderServicer(publisher),
        poller,
        stats=nothing,
        identity=nothing,
        limits=QueryLimits(),
    )
    body = operations.run(Request("get_infos", {"keys": keys})).body
    (pairs,) = msgpack.unpackb(body, object_pairs_hook=list)
    assert sorted(name for name, _ in pairs) == sorted({*keys, "meta"})
    assert dict(dict(pairs)["meta"])["revision"] == 7
