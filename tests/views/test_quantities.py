"""Quantities: the texts that name them, and their values."""

from __future__ import annotations

from typing import Any

import pytest

from tests.top.building import row
from zinfo.views.column_values import values_of
from zinfo.views.quantities import (
    BYTES,
    BYTES_PER_SECOND,
    NUMBER,
    PER_SECOND,
    QUANTITIES,
    SECONDS,
    UnknownQuantityError,
    quantity,
    unit_of,
    value_of,
)


def of(text: str, **more: Any) -> object:
    """The value of a quantity of a row."""
    return value_of(quantity(text))(row(**more))


def test_each_quantity_can_be_evaluated_of_a_shard_without_info() -> None:
    """None of them fails where nothing is known."""
    for one in QUANTITIES.values():
        value_of(one)(row())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("memory", 200),
        ("full", 0.5),
        ("used_memory", 200),
        ("db0.keys", 3),
        ("keys", 7),
        ("label:site", "fra"),
        ("expired_keys/s", 2.5),
        ("ops", 9),
        ("lag", 4),
        ("hits", 0.75),
        ("no_such_field", None),
        ("label:rack", None),
    ],
)
def test_a_text_names_a_value(text: str, value: object) -> None:
    """Own names, fields, items of maps, rates and labels."""
    info = {
        "used_memory": 200,
        "maxmemory": 400,
        "db0": {"keys": 3},
        "db7": {"keys": 4},
        "instantaneous_ops_per_sec": 9,
        "master_last_io_seconds_ago": 4,
        "master_link_down_since_seconds": -1,
    }
    rates = {"expired_keys": 2.5, "keyspace_hits": 3.0, "keyspace_misses": 1.0}
    assert of(text, labels={"site": "fra"}, info=info, rates=rates) == value


def test_a_live_quantity_is_unknown_while_the_shard_does_not_answer() -> None:
    """A shard that is down has no ops/s; its memory is that of the newest INFO."""
    info = {"instantaneous_ops_per_sec": 9, "used_memory": 200}
    assert of("ops", state="down", info=info) is None
    assert of("ops", fresh=False, info=info) is None
    assert of("memory", state="down", info=info) == 200


def test_a_shard_whose_info_has_no_databases_has_no_keys_and_one_without_info_unknown_ones() -> (
    None
):
    """INFO leaves out empty databases."""
    assert of("keys", info={"used_memory": 1}) == 0
    assert of("keys") is None


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ("used_memory_rss", BYTES),
        ("total_net_input_bytes", BYTES),
        ("uptime_in_seconds", SECONDS),
        ("mem_fragmentation_ratio", NUMBER),
        ("connected_clients", NUMBER),
    ],
)
def test_the_unit_of_a_field_is_judged_by_its_name(field: str, unit: str) -> None:
    """So that it is shown as bytes or as a time."""
    assert unit_of(field) == unit


def test_the_rate_of_bytes_is_in_bytes_per_second() -> None:
    """And any other in units per second."""
    assert quantity("total_net_input_bytes/s").unit == BYTES_PER_SECOND
    assert quantity("expired_keys/s").unit == PER_SECOND


@pytest.mark.parametrize("text", ["", "/s", "label:", "a b", "ops>1", "x" * 200])
def test_a_text_that_names_nothing_is_an_error(text: str) -> None:
    """The message is one line."""
    with pytest.raises(UnknownQuantityError) as raised:
        quantity(text)
    assert "\n" not in str(raised.value)


def test_former_names_go_on_working() -> None:
    """In saved columns and addresses."""
    assert quantity("every") is quantity("interval")
    assert quantity("shard") is quantity("id")


def test_a_column_of_values_is_that_of_one_row_after_another() -> None:
    """For every quantity, and rows of every kind."""
    rows = [
        row("up", state=state, fresh=fresh, info=info, rates=rates, labels=labels)
        for state, fresh in (("up", True), ("down", True), ("up", False))
        for labels in ({}, {"site": "fra"})
        for rates in ({}, {"keyspace_hits": 3.0, "keyspace_misses": 1.0, "evicted_keys": None})
        for info in (
            {},
            {"used_memory": "odd", "db0": {"keys": 3}, "used_memory_dataset_perc": "9.5%"},
            {"used_memory": 5, "maxmemory": 0, "db0": "odd", "master_last_io_seconds_ago": -1},
            {"used_memory": 5, "maxmemory": 9, "instantaneous_ops_per_sec": 4, "lag": [1]},
            {"used_memory": 5, "db0": {"keys": 3}, "db12": {"keys": 4, "expires": 1}},
        )
    ]
    others = ("used_memory", "db0.keys", "db0", "x/s", "label:site", "used_memory_dataset_perc")
    for one in [*QUANTITIES.values(), *map(quantity, others)]:
        for some in (rows, rows[1::5], rows[:0]):
            assert values_of(one, some) == [value_of(one)(each) for each in some], one.name
