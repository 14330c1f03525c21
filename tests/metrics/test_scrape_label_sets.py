"""Each label set of a metric stands once in a scrape, whatever the servers send."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from tests.info_texts import TEXTS
from tests.metrics.texts import samples
from zinfo.info import parser
from zinfo.info.values import Value
from zinfo.metrics.samples import UP, Sample
from zinfo.metrics.scrape import EQUAL_SHARDS, Scrape
from zinfo.metrics.selection import Selection, label_text
from zinfo.metrics.shard_metrics import add_shards
from zinfo.security.rights import ALL_RIGHTS
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot

INSTANCE = "redis_instance_info"
"""The only metric of each INFO."""

ONE_ADDRESS = (
    b"role:master\r\nconnected_slaves:3\r\n"
    b"slave0:ip=192.0.2.10,port=6379,state=online,offset=266,lag=1\r\n"
    b"slave1:ip=192.0.2.10,port=6379,state=online,offset=150,lag=7\r\n"
    b"slave2:ip=192.0.2.10,port=6379,state=online,offset=200,lag=0\r\n"
)


def series(text: str) -> Counter[str]:
    """Count the series of a text, read line by line."""
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    return Counter(line.rpartition(" ")[0] for line in lines)


def text_of(raw: bytes) -> str:
    scrape = Scrape(Selection())
    scrape.add([], (), parser.parse(raw).fields)
    return b"".join(scrape.pieces()).decode()


def scrape_of(shards: dict[str, bytes], *, instance: bool) -> str:
    """Return a scrape as `/metrics` or, without `instance`, as `/scrape` makes it."""
    scrape = Scrape(Selection())
    for name, raw in shards.items():
        shard = RedisShard(name, "redis://127.0.0.1:1")
        shard.state = ShardState.UP
        shard.store(Snapshot(raw, 1, 1000.0, 0.0), 0.0)
        add_shards(scrape, Selection(), [shard], ALL_RIGHTS, instance=instance)
    assert not scrape.cut
    return b"".join(scrape.pieces()).decode()


@pytest.mark.parametrize("name", TEXTS)
def test_no_series_of_a_stored_text_stands_twice(name: str) -> None:
    alone = series(scrape_of({name: TEXTS[name]}, instance=False))
    assert alone["redis_up{}"] == 1
    assert max(alone.values()) == 1, alone.most_common(3)


def test_no_series_of_all_stored_texts_stands_twice_and_none_is_lost() -> None:
    text = scrape_of(TEXTS, instance=True)
    together = series(text)
    assert max(together.values()) == 1, together.most_common(3)
    alone = [series(scrape_of({name: raw}, instance=False)) for name, raw in TEXTS.items()]
    assert len(together) == sum(map(len, alone))
    for kind in ("TYPE", "HELP"):
        heads = [line.split(" ")[2] for line in text.split("\n") if line.startswith(f"# {kind}")]
        assert len(heads) == len(set(heads))


def test_of_replicas_with_one_address_the_worse_values_are_exposed() -> None:
    found = samples(text_of(ONE_ADDRESS))
    replica = frozenset(
        {("slave_ip", "192.0.2.10"), ("slave_port", "6379"), ("slave_state", "online")}
    )
    assert found["redis_connected_slave_lag_seconds", replica] == 7
    assert found["redis_connected_slave_offset_bytes", replica] == 150
    assert found["redis_connected_slaves", frozenset()] == 3


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("latency_percentiles_usec_get:p99=1,p99.0=2,p99.00=3", 1),
        ("latency_percentiles_usec_get:p99=x,p99.0=2", 2),
        ("db3:keys_with_volatile_items=4,subexpiry=5", 4),
        ("db3:subexpiry=nan,keys_with_volatile_items=5", float("nan")),
        ("db3:keys=1\r\ndb3:keys=2", 1),
        ("db3:keys=x\r\ndb3:keys=2", 2),
        ("cmdstat_get:calls=1\r\ncmdstat_get:calls=2", 1),
        ("errorstat_a\xff:count=1\r\nerrorstat_a\\xff:count=2", 1),
        ("errorstat_" + "e" * 300 + "1:count=1\r\nerrorstat_" + "e" * 300 + "2:count=2", 1),
    ],
)
def test_of_parts_with_equal_labels_the_first_number_is_exposed(line: str, expected: float) -> None:
    found = samples(text_of(line.encode("latin-1")))
    (shown,) = (value for (name, _labels), value in found.items() if name != INSTANCE)
    assert repr(float(shown)) == repr(float(expected))


def test_of_shards_with_equal_labels_the_first_is_exposed_and_the_others_are_counted() -> None:
    scrape = Scrape(Selection())
    for number in range(3):
        scrape.add([("site", "fra")], [Sample(UP, (), 1)], {"used_memory": number})
    text = b"".join(scrape.pieces()).decode()
    assert samples(text)["redis_memory_used_bytes", frozenset({("site", "fra")})] == 0
    assert scrape.cut == {EQUAL_SHARDS: 2}


def test_labels_that_utf8_does_not_have_stay_apart() -> None:
    scrape = Scrape(Selection())
    names = [f"errorstat_{chr(code)}" for code in (0xDC80, 0xDC81)]
    fields: dict[str, Value] = {name: {"count": 1} for name in names}
    for code in (0xDC80, 0xDC81):
        scrape.add([("instance", chr(code))], (), fields)
    found = samples(b"".join(scrape.pieces()).decode())
    assert sum(name == "redis_errors_total" for name, _labels in found) == 4


def test_labels_of_a_shard_that_become_equal_are_exposed_once() -> None:
    labels = {"data-center": "1", "data.center": "2", "cmd": "3", "label_cmd": "4"}
    assert Selection().labels_of(labels) == [("data_center", "1"), ("label_cmd", "3")]


def test_labels_of_sources_keep_their_names_and_a_change_is_in_the_next_scrape() -> None:
    publisher = ShardPublisher()
    shard = RedisShard("a", "redis://127.0.0.1:1")
    shard.state = ShardState.UP
    shard.store(Snapshot(ONE_ADDRESS, 1, 1000.0, 0.0), 0.0)
    publisher.add_shard(shard)

    def exposed() -> list[dict[str, str]]:
        scrape = Scrape(Selection())
        add_shards(scrape, Selection(), [shard], ALL_RIGHTS, instance=True)
        text = b"".join(scrape.pieces()).decode()
        assert series(text).most_common(1)[0][1] == 1
        return [dict(labels) for _name, labels in samples(text)]

    first = {"source": "ha", "cluster": "orders", "group": "7f", "hostname": "a.example.net"}
    for labels in (first, {**first, "group": "8e"}, {}):
        publisher.set_labels("a", labels)
        found = exposed()
        assert len(found) > 5
        for name in first:
            assert {sample.get(name) for sample in found} == {labels.get(name)}
    publisher.set_labels("a", {"role": "cache", "job": "x", "instance": "y"})
    assert all(sample["label_role"] == "cache" for sample in exposed())
    assert all(sample["instance"] == "a" for sample in exposed())


@pytest.mark.parametrize(("unit", "version"), [("bytes", b""), ("records", b"kvrocks_version:2\n")])
def test_the_lower_offset_stays_in_bytes_and_in_records(unit: str, version: bytes) -> None:
    found = samples(text_of(version + ONE_ADDRESS))
    offsets = {name: value for (name, _labels), value in found.items() if "slave_offset" in name}
    assert offsets == {f"redis_connected_slave_offset_{unit}": 150}


_LABELS: list[dict[str, str]] = [
    {},
    {"a": "1"},
    {"a": "x%sy", "b": "%(a)s"},
    {"pid": "1"},
    {"a": '"', "b": "\\"},
    {"a": "\n"},
    {"a": "\ud800"},
    {"a b": "1", "a_b": "2"},
    {"%(a)s": "1", "a": "2"},
    {")": "1"},
    {"cmd": "1", "label_cmd": "2", "": "3", "0": "4"},
    {"é": "1", "x" * 70: "2"},
]


@pytest.mark.parametrize("ident", [None, "redis://h:1", 'h"', "h\\", "h\n", "é"])
def test_the_text_of_labels_is_that_of_the_labels(ident: str | None) -> None:
    for shown, labels in itertools.product([None, ("a", "pid"), ("b",)], _LABELS):
        selection = Selection(labels=shown)
        exposed = selection.labels_of(labels)
        if ident is not None:
            exposed.insert(0, ("instance", ident))
        assert selection.text_of_labels(labels, ident) == label_text(exposed)
