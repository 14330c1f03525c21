"""The daemons of a Fleet: their endpoints, names in DNS, and slices."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

import zinfo.aio.fleet
import zinfo.client.fleet
from tests.client.flavours import Flavour
from tests.client.wire_peer import WirePeer
from tests.spawning import free_port
from tests.waiting import wait_until
from zinfo.client.fleet_endpoints import MAX_MEMBERS, DnsName, given, lookup
from zinfo.client.fleet_members import FleetMember, FleetMembers
from zinfo.errors import ConfigError, MissingSlicesError, NoAnswerError
from zinfo.wire.slices import SliceSpec

NAME = DnsName("fleet.test", 9736)


def endpoints_of(fleet: FleetMembers[str]) -> list[str]:
    """The endpoints of a fleet."""
    return [member.endpoint for member in fleet.public()]


def test_one_endpoint_or_several_are_given() -> None:
    assert given("tcp://a:1").items == ("tcp://a:1",)
    several = given(["tcp://a:1", "dns+tcp://Fleet.test:9736", "ipc:///run/zinfo", "tcp://a:1"])
    assert several.items == ("tcp://a:1", NAME, "ipc:///run/zinfo")
    assert several.names == (NAME,)
    assert str(NAME) == "dns+tcp://fleet.test:9736"


@pytest.mark.parametrize(
    ("endpoints", "problem"),
    [
        ([], "0 endpoints, expected 1 to 1024"),
        (["tcp://a:1", "redis://:secret@h"], "scheme is not supported"),
        ("dns+tcp://a", r"it has no port; expected one like dns\+tcp://zinfo.prod:9736"),
        ("dns+tcp://*:1", r"clients cannot connect to a \*"),
    ],
)
def test_what_is_no_endpoint_is_an_error_that_does_not_quote_it(
    endpoints: list[str], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        given(endpoints)
    assert "secret" not in str(caught.value)


def test_all_addresses_of_a_name_are_daemons() -> None:
    assert "tcp://127.0.0.1:9736" in lookup(DnsName("localhost", 9736))
    assert lookup(DnsName("::1", 9736)) == ("tcp://[::1]:9736",)
    with pytest.raises(NoAnswerError, match=r"no address of a\.\.b"):
        lookup(DnsName("a..b", 1))


def test_two_addresses_of_each_daemon_are_not_two_daemons(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(*hosts: str) -> tuple[str, ...]:
        found = [(0, 0, 0, "", (host, 1)) for host in hosts]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)
        return lookup(DnsName("fleet.test", 1))

    assert looked_up("::1", "10.0.0.1") == ("tcp://10.0.0.1:1",)
    assert looked_up("fd00::1", "fd00::2") == ("tcp://[fd00::1]:1", "tcp://[fd00::2]:1")
    assert looked_up("10.0.0.1", "10.0.0.1") == ("tcp://10.0.0.1:1",)
    assert len(looked_up("fd00::1", "fd00::2", "10.0.0.1")) == 3


def test_daemons_come_and_go_with_the_addresses_of_a_name() -> None:
    fleet = FleetMembers(["tcp://a:1", str(NAME)], str)
    assert endpoints_of(fleet) == ["tcp://a:1", str(NAME)]
    assert not fleet.on_addresses(NAME, ["tcp://b:1", "tcp://c:1"])
    assert endpoints_of(fleet) == ["tcp://a:1", "tcp://b:1", "tcp://c:1"]
    first, second, third = fleet.current()
    assert fleet.on_addresses(NAME, ["tcp://c:1", "tcp://d:1", "tcp://a:1"]) == [second]
    assert fleet.current()[:2] == [first, third]
    assert endpoints_of(fleet) == ["tcp://a:1", "tcp://c:1", "tcp://d:1"]


def test_a_daemon_that_answers_stays_though_its_address_is_gone() -> None:
    fleet = FleetMembers(str(NAME), str)
    fleet.on_addresses(NAME, ["tcp://b:1", "tcp://c:1"])
    fleet.current()[0].on_hello({"node": "b", "epoch": 1, "slice": None})
    assert [gone.endpoint for gone in fleet.on_addresses(NAME, ["tcp://d:1"])] == ["tcp://c:1"]
    assert endpoints_of(fleet) == ["tcp://d:1", "tcp://b:1"]


def test_a_name_that_cannot_be_looked_up_keeps_its_addresses() -> None:
    fleet = FleetMembers(str(NAME), str)
    fleet.on_lookup_error(NAME, NoAnswerError("no address of fleet.test"))
    assert fleet.public() == (FleetMember(str(NAME), "", None, "no address of fleet.test"),)
    (report,) = fleet.reports_of_names()
    assert (report.known, report.answers) == (False, False)
    fleet.on_addresses(NAME, ["tcp://b:1"])
    fleet.on_lookup_error(NAME, NoAnswerError("no address of fleet.test"))
    assert endpoints_of(fleet) == ["tcp://b:1"]


def test_a_name_has_a_bounded_number_of_daemons() -> None:
    fleet = FleetMembers(str(NAME), str)
    fleet.on_addresses(NAME, [f"tcp://h:{port}" for port in range(1, 2000)])
    assert len(fleet.current()) == MAX_MEMBERS


def test_members_have_the_slices_that_hello_reports(flavour: Flavour) -> None:
    with (
        WirePeer("a") as sliced,
        WirePeer("a") as plain,
        WirePeer("a") as old,
        flavour.fleet([sliced.query, plain.query, old.query]) as fleet,
    ):
        sliced.daemon.slice = {"number": 0, "count": 3, "copies": 2, "by": "id"}
        plain.daemon.slice = None
        assert {member.problem for member in fleet.members} == {"not asked yet"}
        assert fleet.find_members() == (
            FleetMember(sliced.query, "model", SliceSpec(0, 3, 2), ""),
            FleetMember(plain.query, "model", None, ""),
            FleetMember(old.query, "model", None, ""),
        )
        assert fleet.members == fleet.find_members()
        assert len(sliced.requests) == 1
        assert sliced.query in repr(fleet)


def test_a_silent_daemon_is_asked_again(flavour: Flavour) -> None:
    with WirePeer("a") as peer, flavour.fleet([peer.query], retries=0) as fleet:
        peer.deaf = True
        assert fleet.find_members(0.01) == (FleetMember(peer.query, "", None, "no reply"),)
        peer.deaf = False
        assert fleet.find_members() == (FleetMember(peer.query, "model", None, ""),)


def test_the_slice_of_a_daemon_that_started_again_is_learned_again(flavour: Flavour) -> None:
    with WirePeer("a") as peer, flavour.fleet(peer.query) as fleet:
        peer.daemon.slice = {"number": 0, "count": 3, "copies": 2, "by": "id"}
        assert fleet.find_members()[0].slice == SliceSpec(0, 3, 2)
        peer.restart("a")
        peer.daemon.slice = {"number": 0, "count": 4, "copies": 2, "by": "id"}
        fleet.stats()
        assert fleet.members[0].slice == SliceSpec(0, 4, 2)


def test_a_fleet_finds_the_daemons_at_a_name(flavour: Flavour) -> None:
    with WirePeer("a") as peer:
        port = peer.query.rpartition(":")[2]
        with flavour.fleet(f"dns+tcp://localhost:{port}", retries=0) as fleet:
            wait_until(
                lambda: any(m.node == "model" for m in fleet.find_members(1)),
                what="the daemon at the name",
            )
            assert peer.query in [member.endpoint for member in fleet.members]


def test_a_request_outlasts_the_address_of_a_silent_daemon(
    flavour: Flavour, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WirePeer("a") as one, WirePeer("b") as two:
        found = [one.query, two.query]
        for module in (zinfo.client.fleet, zinfo.aio.fleet):
            monkeypatch.setattr(module, "lookup", lambda _: list(found))
            monkeypatch.setattr(module, "RESOLVE_INTERVAL", 0.01)
        two.deaf = True
        with flavour.fleet("dns+tcp://fleet.test:1", retries=0) as fleet:
            assert [bool(member.problem) for member in fleet.find_members(0.05)] == [False, True]
            before = len(two.requests)
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(fleet.get_infos, timeout=2.0)
                wait_until(lambda: len(two.requests) > before, what="the request")
                found.remove(two.query)
                wait_until(lambda: len(fleet.members) == 1, what="the daemon to be gone")
                fleet.find_members()  # closes what is no longer used
                with pytest.raises(MissingSlicesError):
                    asked.result(60)
            assert len(fleet.get_infos()) == 1


def test_a_closed_fleet_sends_nothing(flavour: Flavour) -> None:
    endpoints = [f"tcp://127.0.0.1:{free_port()}" for _ in range(2)]
    with flavour.fleet(endpoints) as fleet:
        pass
    with pytest.raises(ValueError, match="closed"):
        fleet.find_members()


def test_an_endpoint_that_is_not_valid_is_an_error(flavour: Flavour) -> None:
    with pytest.raises(ConfigError):
        flavour.fleet(["tcp://a:1", "tcp://b"])
