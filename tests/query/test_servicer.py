"""GetInfos: the behaviour that programs that embed zinfo rely on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from zinfo import InfoProviderServicer, RedisShard, ShardPublisher
from zinfo.info.parser import Value
from zinfo.query.servicer import InfoQuery
from zinfo.shards.snapshot import Snapshot

RAW = (
    b"# Server\r\nredis_version:7.0.15\r\n\r\n"
    b"# Keyspace\r\ndb0:keys=1,expires=0\r\ndb1:keys=2,expires=0"
)


@pytest.fixture
def publisher() -> ShardPublisher:
    publisher = ShardPublisher()
    for ident in ("b", "a", "never"):
        publisher.add_shard(RedisShard(ident, "redis://127.0.0.1:1", {"is": ident}))
    five_seconds_ago = time.monotonic() - 5
    publisher.get_shard("a").store(Snapshot(RAW, 1, 5.0, five_seconds_ago), ops=0)
    publisher.get_shard("b").info = {"used_memory": 5, "used_cpu": 1.5}
    return publisher


@pytest.fixture
def servicer(publisher: ShardPublisher) -> InfoProviderServicer:
    return InfoProviderServicer(publisher)


def names(infos: list[dict[str, Any]]) -> list[str]:
    return [info["meta"]["shard_identifier"] for info in infos]


def test_no_ids_means_every_shard_polled_at_least_once(servicer: InfoProviderServicer) -> None:
    assert names(servicer.GetInfos()) == ["a", "b"]


def test_entries_are_in_the_order_of_the_requested_ids(servicer: InfoProviderServicer) -> None:
    assert names(servicer.GetInfos(["b", "a", "b"])) == ["b", "a", "b"]


def test_meta_has_shard_id_and_age(servicer: InfoProviderServicer) -> None:
    (info,) = servicer.GetInfos(["b"])
    meta: Any = info["meta"]
    assert meta["shard_identifier"] == "b"
    assert 0 <= meta["info_age"] < 5
    assert "error" not in meta


@pytest.mark.parametrize(
    ("ident", "message"),
    [("unknown", "shard unknown not found"), ("never", "info for shard never not available")],
)
def test_a_shard_without_info_is_a_key_error_or_a_partial_entry(
    servicer: InfoProviderServicer, ident: str, message: str
) -> None:
    with pytest.raises(KeyError) as caught:
        servicer.GetInfos(["a", ident])
    assert str(caught.value) == message
    partial = servicer.GetInfos(["a", ident], allow_partial=True)[1]["meta"]
    assert isinstance(partial, dict)
    assert (partial["error"], partial["info_age"]) == (message, 1e38)


def test_meta_has_the_labels_only_if_they_are_requested(
    publisher: ShardPublisher, servicer: InfoProviderServicer
) -> None:
    def labels(**arguments: Any) -> object:
        (info,) = servicer.GetInfos(**arguments)
        meta: Any = info["meta"]
        return meta.get("labels")

    assert labels(shard_ids=["a"]) is None
    assert labels(shard_ids=["a"], with_labels=True) == {"is": "a"}
    assert labels(shard_ids=["never"], allow_partial=True, with_labels=True) == {"is": "never"}
    assert labels(shard_ids=["unknown"], allow_partial=True, with_labels=True) is None
    copied: Any = servicer.GetInfos(["a"], with_labels=True)[0]["meta"]
    copied["labels"].clear()
    publisher.set_labels("a", {"is": "changed"})
    assert labels(shard_ids=["a"], with_labels=True) == {"is": "changed"}


def test_keys_are_exact_names_or_prefixes(servicer: InfoProviderServicer) -> None:
    def fields(*args: Any, **kwargs: Any) -> set[str]:
        return set(servicer.GetInfos(*args, **kwargs)[0]) - {"meta"}

    assert fields(["a"], ["db0", "db"]) == {"db0"}
    assert fields(["a"], ["db"], prefix_matching=True) == {"db0", "db1"}
    assert fields(["b"], ["used_memory"]) == {"used_memory"}
    assert fields(["b"], ["none"]) == set()


def test_key_patterns_is_a_deprecated_alias_of_keys(servicer: InfoProviderServicer) -> None:
    with pytest.warns(DeprecationWarning, match="keys"):
        (info,) = servicer.GetInfos(["a"], key_patterns=["db0"])
    assert set(info) == {"db0", "meta"}
    with pytest.raises(TypeError):
        servicer.GetInfos(["a"], ["db0"], key_patterns=["db0"])


def test_max_age_skips_older_info(servicer: InfoProviderServicer) -> None:
    older = servicer.lookup("a").snapshot
    assert older is not None
    query = InfoQuery(max_age=10)
    assert [found.shard_id for found in servicer.find(query, now=older.at + 9)] == ["a", "b"]
    assert [found.shard_id for found in servicer.find(query, now=older.at + 11)] == ["b"]


def test_a_section_has_its_own_values_of_fields_that_others_have_too() -> None:
    publisher = ShardPublisher()
    shard = RedisShard("a", "redis://127.0.0.1:1")
    publisher.add_shard(shard)
    shard.store(Snapshot(b"# S0\r\nx:1\r\ny:2\r\n# S1\r\nx:3\r\n", 1, 0.0, 0.0), 0.0)
    servicer = InfoProviderServicer(publisher)

    def fields(query: InfoQuery) -> dict[str, Value]:
        (found,) = servicer.find(query)
        assert found.snapshot is not None
        return query.field_selector()(found.snapshot)

    assert fields(InfoQuery(sections=("s1",))) == {"x": 3}
    assert fields(InfoQuery(sections=("s0",), keys=("x",))) == {"x": 1}
    assert fields(InfoQuery(sections=("s0", "s1"))) == {"x": [1, 3], "y": 2}
    assert fields(InfoQuery(keys=("x",))) == {"x": [1, 3]}


def test_labels_and_sections_restrict_the_result(servicer: InfoProviderServicer) -> None:
    query = InfoQuery(labels={"is": "a"}, sections=("KEYSPACE",))
    (found,) = servicer.find(query)
    assert found.snapshot is not None
    assert query.field_selector()(found.snapshot) == {
        "db0": {"keys": 1, "expires": 0},
        "db1": {"keys": 2, "expires": 0},
    }
    query = InfoQuery(sections=("keyspace",), keys=("db1", "redis_version"))
    assert list(query.field_selector()(found.snapshot)) == ["db1"]


def test_changing_a_result_never_changes_the_cache(servicer: InfoProviderServicer) -> None:
    first: Any = servicer.GetInfos(["a"])[0]
    first["db0"]["keys"] = 99
    first.clear()
    assert servicer.GetInfos(["a"])[0]["db0"] == {"keys": 1, "expires": 0}
