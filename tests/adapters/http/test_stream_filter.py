"""Stream filters: a message is encoded once for all streams with the same filter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.promises import Promise
from zinfo.adapters.http import responses
from zinfo.adapters.http import stream_filter as module
from zinfo.adapters.http.stream_filter import (
    DELTA,
    INFO,
    SnapshotMessages,
    StreamFilter,
    StreamRegistry,
)
from zinfo.security.rights import ALL_RIGHTS, Rights
from zinfo.shards.snapshot import Snapshot

NOTHING: frozenset[str] = frozenset()


def stream_filter(
    *shard_ids: str, keys: frozenset[str] = NOTHING, rights: Rights = ALL_RIGHTS
) -> StreamFilter:
    return StreamFilter(frozenset((DELTA, INFO)), frozenset(shard_ids), keys, rights)


def streams(registry: StreamRegistry[str], shard_id: str) -> list[str]:
    return sorted(stream for group in registry.groups_for(shard_id) for stream in group.streams)


def test_streams_are_found_by_shard_and_rights() -> None:
    registry: StreamRegistry[str] = StreamRegistry()
    caches = Rights("a", shards=("cache-",))
    for number, one in enumerate(
        (
            stream_filter(),
            stream_filter("db-1"),
            stream_filter("db-1", "db-2"),
            stream_filter(rights=caches),
            stream_filter("db-1"),
        )
    ):
        registry.add(one, str(number))
    assert len(registry) == 4
    assert streams(registry, "db-1") == ["0", "1", "2", "4"]
    assert streams(registry, "db-2") == ["0", "2"]
    assert streams(registry, "cache-1") == ["0", "3"]
    registry.remove(stream_filter("db-1"), "1")
    assert streams(registry, "db-1") == ["0", "2", "4"]
    registry.remove(stream_filter("db-1"), "4")
    registry.remove(stream_filter("db-1", "db-2"), "2")
    assert not registry._of_shard
    registry.remove(stream_filter(), "0")
    registry.remove(stream_filter(rights=caches), "3")
    assert not registry


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    encode = responses.encode

    def counted(value: object) -> bytes:
        found.append(value)
        return encode(value)

    monkeypatch.setattr(module, "encode", counted)
    return found


def data(message: bytes) -> Any:
    return json.loads(message.partition(b"data: ")[2])


def test_a_message_is_encoded_once_for_all_streams_with_the_same_filter(
    encoded: list[Any], promise: Promise
) -> None:
    old = Snapshot(b"a:1\r\nb:2\r\n", 1, 1.0, 1.0)
    new = Snapshot(b"a:1\r\nb:3\r\n", 2, 2.0, 2.0, old)
    messages = SnapshotMessages("s", old, new)
    assert not encoded, "and none without a stream"
    only_a, only_b = frozenset("a"), frozenset("b")
    for _ in range(100):
        assert data(messages.encode(DELTA, stream_filter()))["set"] == {"b": 3}
        assert data(messages.encode(INFO, stream_filter()))["info"] == {"a": 1, "b": 3}
        assert data(messages.encode(DELTA, stream_filter(keys=only_b)))["set"] == {"b": 3}
        assert messages.encode(DELTA, stream_filter(keys=only_a)) == b""
        assert data(messages.encode(INFO, stream_filter(keys=only_a)))["info"] == {"a": 1}
    promise("400 messages of 4 kinds to streams", "4 encodings", f"{len(encoded)} encodings")
    assert len(encoded) == 4
