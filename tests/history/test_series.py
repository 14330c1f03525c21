"""Values are those of INFO, and rates those of its counters."""

from __future__ import annotations

import math

import pytest

from zinfo.history.series import COUNTERS, FIELDS, SERIES, numbers_of, numbers_of_fields, values_of

FIRST: dict[str, float] = {
    "uptime_in_seconds": 100,
    "total_connections_received": 5,
    "total_commands_processed": 1000,
    "total_net_input_bytes": 5000,
    "total_net_output_bytes": 9000,
    "keyspace_hits": 100,
    "keyspace_misses": 100,
    "evicted_keys": 3,
    "instantaneous_ops_per_sec": 77,
    "used_memory": 1_000_000,
    "connected_clients": 4,
}
LATER: dict[str, float] = {
    **FIRST,
    "uptime_in_seconds": 105,
    "total_commands_processed": 1500,
    "total_net_input_bytes": 6000,
    "total_net_output_bytes": 11000,
    "keyspace_hits": 130,
    "keyspace_misses": 110,
    "evicted_keys": 13,
}


def values(
    now: dict[str, float], before: dict[str, float] | None = None, seconds: float = 5.0
) -> dict[str, float]:
    counters = numbers_of_fields(before or now)[: len(COUNTERS)]
    found = values_of(numbers_of_fields(now), counters, seconds if before else 0.0)
    return {name: value for name, value in zip(SERIES, found, strict=True) if not math.isnan(value)}


def test_rates_are_those_between_two_infos() -> None:
    assert values(LATER, FIRST) == {
        "ops": 100,
        "memory": 1_000_000,
        "hit_ratio": 0.75,
        "clients": 4,
        "net_in": 200,
        "net_out": 400,
        "evicted": 2,
    }


def test_the_first_info_has_no_rates_and_the_ops_that_the_server_reports() -> None:
    assert values(FIRST) == {"ops": 77, "memory": 1_000_000, "clients": 4}


@pytest.mark.parametrize(
    "name",
    [
        "uptime_in_seconds",
        "total_connections_received",
        "total_commands_processed",
        "total_net_input_bytes",
        "keyspace_hits",
        "keyspace_misses",
    ],
)
def test_there_are_no_rates_if_counters_were_reset(name: str) -> None:
    assert values({**LATER, name: 1}, FIRST) == {"ops": 77, "memory": 1_000_000, "clients": 4}


def test_a_counter_that_decreases_alone_has_no_rate() -> None:
    found = values({**LATER, "evicted_keys": 1, "total_net_output_bytes": 1}, FIRST)
    assert found.keys() == {"ops", "memory", "hit_ratio", "clients", "net_in"}


def test_an_interval_without_reads_has_no_hit_ratio() -> None:
    same = {name: FIRST[name] for name in ("keyspace_hits", "keyspace_misses")}
    assert "hit_ratio" not in values({**LATER, **same}, FIRST)


@pytest.mark.parametrize(
    ("fields", "lag"),
    [
        ({"master_last_io_seconds_ago": 3}, 3),
        ({"master_last_io_seconds_ago": -1, "master_link_down_since_seconds": 40}, 40),
        ({"master_last_io_seconds_ago": -1, "master_link_down_since_seconds": -1}, None),
        ({"master_last_io_seconds_ago": -1}, None),
        ({}, None),
    ],
)
def test_lag_is_the_time_since_the_primary_was_heard(
    fields: dict[str, float], lag: float | None
) -> None:
    assert values(fields).get("lag") == lag


def test_numbers_of_a_reply_are_those_of_its_fields() -> None:
    text = "".join(f"{name}:{value}\r\n" for name, value in FIRST.items())
    expected = [float(FIRST.get(name, math.nan)) for name in FIELDS]
    assert numbers_of(text.encode()) == pytest.approx(expected, nan_ok=True)
