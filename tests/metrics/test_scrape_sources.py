"""Which field of a shard a metric comes from, whatever the other shards of the scrape have."""

from __future__ import annotations

import pytest

from tests.metrics.texts import families, samples
from zinfo.info.values import Value
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection

Info = dict[str, Value]


def text_of(*infos: Info, selection: Selection | None = None) -> str:
    """Return a scrape of these INFO, each of a shard named by its place, from 0."""
    scrape = Scrape(selection or Selection())
    for number, fields in enumerate(infos):
        scrape.add([("instance", str(number))], (), fields)
    return b"".join(scrape.pieces()).decode()


def values(text: str, metric: str) -> dict[str, float]:
    """Return the values of a metric without labels of its own by shard."""
    return {
        dict(labels)["instance"]: value
        for (name, labels), value in samples(text).items()
        if name == metric and len(labels) == 1
    }


MAX = "redis_max_clients"


@pytest.mark.parametrize("order", [1, -1])
def test_a_server_with_another_field_of_a_metric_takes_it_from_no_other(order: int) -> None:
    both: list[Info] = [{"max_clients": 64000}, {"maxclients": 10000}]
    infos = both[::order]
    assert sorted(values(text_of(*infos), MAX).values()) == [10000, 64000]


def test_a_field_without_a_number_leaves_the_metric_to_others_of_its_shard_and_the_fleet() -> None:
    used = "redis_memory_used_bytes"
    odd: Info = {"memory_used_bytes": "abc"}
    text = text_of(odd, {"used_memory": 5}, {**odd, "used_memory": 6}, {"used_memory": "x"})
    assert values(text, used) == {"1": 5, "2": 6}
    both: Info = {"used_memory": "abc", "memory_used_bytes": 7}
    assert values(text_of(both), used) == {"0": 7}


@pytest.mark.parametrize("order", [1, -1])
def test_a_field_that_the_table_names_comes_before_one_that_has_the_name(order: int) -> None:
    fields: Info = dict([("used_memory", 1), ("memory_used_bytes", 2)][::order])
    assert values(text_of(fields), "redis_memory_used_bytes") == {"0": 1}
    limit: Info = dict([("maxclients", 1), ("max_clients", 2)][::order])
    text = text_of(limit)
    assert values(text, MAX) == values(text, "redis_config_maxclients") == {"0": 1}


def test_of_fields_that_only_have_the_name_the_first_with_a_number_is_the_source() -> None:
    text = text_of({"a-b": "x", "a_b": 1, "a.b": 2}, {"a.b": 3, "a_b": 4})
    assert values(text, "redis_a_b") == {"0": 1, "1": 3}


def test_a_ratio_and_a_number_with_one_name_are_one_sample() -> None:
    text = text_of({"x_ratio": 1, "x-ratio": 2}, {"x-ratio": 3, "x_ratio": 4}, {"x-y_ratio": "inf"})
    assert values(text, "redis_x_ratio") == {"0": 1, "1": 3}
    assert values(text, "redis_x_y_ratio") == {"2": float("inf")}


@pytest.mark.parametrize("order", [1, -1])
def test_a_metric_of_before_comes_from_its_own_field_first(order: int) -> None:
    old, new = "redis_mem_cluster_links", "redis_mem_cluster_links_bytes"
    fields = [("mem-cluster-links", 1), ("mem_cluster_links", 2), ("mem.cluster.links", 3)]
    text = text_of(dict(fields[::order]))
    assert values(text, old) == values(text, new) == {"0": 2}
    others = [(name, number) for name, number in fields if number != 2]
    text = text_of({**dict(others), "mem_cluster_links": "abc"})
    assert values(text, old) == {"0": 1}
    assert values(text, new) == {}
    text = text_of({"mem_cluster_links_bytes": 4, "mem_cluster_links": 2})
    assert values(text, old) == values(text, new) == {"0": 2}


@pytest.mark.parametrize("order", [1, -1])
def test_type_and_help_of_a_metric_are_those_of_the_table_in_any_order(order: int) -> None:
    infos: list[Info] = [{"expired_keys_total": 1}, {"expired_keys": 2}, {"expired-keys_total": 3}]
    text = text_of(*infos[::order])
    assert sorted(values(text, "redis_expired_keys_total").values()) == [1, 2, 3]
    assert text.count("# TYPE redis_expired_keys_total counter\n") == 1
    assert text.count("# HELP redis_expired_keys_total INFO's expired_keys\n") == 1


def test_more_fields_than_are_cached_are_all_exposed_once() -> None:
    many: Info = {f"f{number}": number for number in range(9000)}
    selection = Selection(max_samples=10_000)
    text = text_of({"maxclients": 1}, many, {"max_clients": 2}, many, selection=selection)
    assert values(text, MAX) == {"0": 1, "2": 2}
    found = samples(text)  # raises if a sample is there twice
    assert sum(name.startswith("redis_f") for name, _labels in found) == 18_000
    assert text.count("# TYPE redis_f8999 gauge\n") == 1


def test_the_list_of_a_field_is_exposed_where_its_number_is_not() -> None:
    fields: Info = {"x_3": [{"a": 1}]}
    text = text_of(fields, selection=Selection(include=("redis_x",)))
    assert set(families(text)) == {"redis_x"}


def test_a_metric_of_primaries_has_no_sample_of_a_field_that_merely_has_its_name() -> None:
    text = text_of({"master_last_io-seconds_ago": 5, "slave-repl-offset": 6, "master_sync.perc": 7})
    assert {name for name, _labels in samples(text)} == {"redis_instance_info"}
