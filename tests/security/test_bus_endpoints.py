"""Bus endpoints of sets of rights, and addresses that conflict."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from zinfo.config import load_config
from zinfo.errors import ConfigError
from zinfo.security.bus_endpoints import (
    MAX_SETS,
    BusEndpoint,
    BusEndpointError,
    advertised,
    assign_endpoints,
    overlap,
)
from zinfo.security.bus_rights import UNLIMITED, BusRights
from zinfo.wire.addresses import parse_endpoint

BUS = "tcp://0.0.0.0:9737"


def some(*shards: str) -> BusRights:
    return BusRights(shards=shards)


def endpoints(assigned: list[BusEndpoint]) -> dict[str, str]:
    return {name: endpoint.address for endpoint in assigned for name in endpoint.clients}


def assigned_to(
    clients: Mapping[str, BusRights | None],
    named: Mapping[str, str] | None = None,
    bus: str = BUS,
    before: list[BusEndpoint] | None = None,
) -> dict[str, str]:
    return endpoints(assign_endpoints(bus, named or {}, clients, before or []))


def test_sets_get_the_next_ports_in_the_order_of_their_first_clients() -> None:
    clients = {
        "d": some("d"),
        "b": some("x"),
        "a": some("y"),
        "c": some("y"),
        "all": UNLIMITED,
        "none": None,
    }
    assert assigned_to(clients) == {
        "a": "tcp://0.0.0.0:9738",
        "c": "tcp://0.0.0.0:9738",
        "b": "tcp://0.0.0.0:9739",
        "d": "tcp://0.0.0.0:9740",
    }


def test_an_ipc_path_gets_a_suffix_and_a_wildcard_port_stays_one() -> None:
    clients = {"a": some("a"), "b": some("b")}
    assert assigned_to(clients, bus="ipc:///run/bus") == {
        "a": "ipc:///run/bus-1",
        "b": "ipc:///run/bus-2",
    }
    assert assigned_to(clients, bus="tcp://*:*") == {"a": "tcp://*:*", "b": "tcp://*:*"}


def test_a_configured_endpoint_is_for_the_whole_set_and_takes_no_port_of_others() -> None:
    clients = {"a": some("x"), "b": some("x"), "c": some("c")}
    named = {"b": "tcp://0.0.0.0:9738"}
    assert assigned_to(clients, named) == {
        "a": "tcp://0.0.0.0:9738",
        "b": "tcp://0.0.0.0:9738",
        "c": "tcp://0.0.0.0:9739",
    }


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"x": BUS}, r"no table \[clients.NAME\] names"),
        ({"all": "tcp://0.0.0.0:1"}, "without limits, which has bus.endpoint"),
        ({"a": "tcp://*:1", "b": "tcp://*:2"}, "another endpoint than that of a"),
        ({"a": "tcp://*:1", "c": "tcp://*:1"}, "for clients of different rights"),
        ({"a": BUS}, "for clients of different rights"),
    ],
)
def test_contradicting_endpoints_are_an_error(named: dict[str, str], said: str) -> None:
    clients = {"a": some("x"), "b": some("x"), "c": some("c"), "all": UNLIMITED}
    with pytest.raises(BusEndpointError, match=said):
        assigned_to(clients, named)


def test_the_number_of_sets_and_of_ports_is_limited() -> None:
    clients = {f"c{number}": some(str(number)) for number in range(MAX_SETS + 1)}
    with pytest.raises(BusEndpointError, match=f"at most {MAX_SETS}"):
        assigned_to(clients)
    with pytest.raises(BusEndpointError, match="no port after that of the bus"):
        assigned_to({"a": some("a"), "b": some("b")}, bus="tcp://*:65534")


def test_a_set_keeps_its_port_across_reloads() -> None:
    first = assign_endpoints(BUS, {}, {"b": some("b"), "c": some("c")})
    more = assign_endpoints(BUS, {}, {"a": some("a"), "b": some("b"), "c": some("c")}, first)
    assert endpoints(more) == {
        "a": "tcp://0.0.0.0:9740",
        "b": "tcp://0.0.0.0:9738",
        "c": "tcp://0.0.0.0:9739",
    }
    fewer = assign_endpoints(BUS, {}, {"c": some("c")}, more)
    assert endpoints(fewer) == {"c": "tcp://0.0.0.0:9739"}
    assert assigned_to({"c": some("c"), "d": some("d")}, before=fewer)["d"] == "tcp://0.0.0.0:9738"
    changed = {"a": some("new"), "b": some("b"), "c": some("c")}
    assert assigned_to(changed, before=more) == endpoints(more), "other rights, the same client"


def test_a_client_that_joins_another_set_gets_its_port() -> None:
    before = assign_endpoints(BUS, {}, {"b": some("b"), "c": some("c")})
    assert assigned_to({"b": some("c"), "c": some("c")}, before=before) == {
        "b": "tcp://0.0.0.0:9739",
        "c": "tcp://0.0.0.0:9739",
    }


@pytest.mark.parametrize(
    ("advertise", "endpoint", "advertised_endpoint"),
    [
        ("", "tcp://0.0.0.0:9738", "tcp://0.0.0.0:9738"),
        ("tcp://zinfo.example:19737", "tcp://0.0.0.0:9738", "tcp://zinfo.example:9738"),
        ("tcp://zinfo.example:19737", "ipc:///run/bus-1", "ipc:///run/bus-1"),
        ("ipc:///shared/bus", "ipc:///run/bus-1", "ipc:///run/bus-1"),
    ],
)
def test_a_set_is_advertised_with_the_host_of_the_bus(
    advertise: str, endpoint: str, advertised_endpoint: str
) -> None:
    assert advertised(advertise, endpoint) == advertised_endpoint


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1", True),
        ("tcp://0.0.0.0:1", "tcp://127.0.0.1:1", True),
        ("tcp://*:1", "tcp://h:1", True),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.2:1", False),
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", False),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", False),
        ("ipc:///a", "ipc:///a", True),
        ("ipc:///a", "tcp://*:1", False),
    ],
)
def test_overlapping_addresses_are_recognised(one: str, other: str, both: bool) -> None:
    first, second = parse_endpoint(one), parse_endpoint(other)
    assert overlap(first, second) is overlap(second, first) is both


KEYS = {
    "--server-key": ("security.server_key", "k"),
    "--client-keys": ("security.client_keys", "d"),
    "--clients": ("clients", {"a": {"shards": ["a"]}, "b": {"shards": ["b"]}}),
}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"--query": ("query.endpoint", "tcp://127.0.0.1:9739"), **KEYS},
            "found tcp://127.0.0.1:9739 for b, which is the address of query.endpoint",
        ),
        (
            {"--http": ("http.listen", "127.0.0.1:9738"), **KEYS},
            "set bus.endpoints.a to another one",
        ),
        ({"--e": ("bus.endpoints", {"x": "tcp://*:1"}), **KEYS}, "bus.endpoints: found a client"),
        ({"--e": ("bus.endpoints", {"x": "tcp://*:1"})}, "without security.server_key"),
    ],
)
def test_the_configuration_rejects_conflicting_endpoints(
    flags: dict[str, tuple[str, object]], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(flags=flags)
    assert said in str(caught.value)
