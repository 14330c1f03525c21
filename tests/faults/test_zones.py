"""Link-local IPv6 addresses: their zone is the name of an interface, with its case."""

from __future__ import annotations

from tests.namespaces import run_in_namespaces
from tests.promises import Promise

PREPARE = """
    ip link set lo up &&
    ip link add enP2p1s0 type veth peer name other &&
    ip link set other up && ip link set enP2p1s0 up &&
    ip -6 address add fe80::77/64 dev enP2p1s0 nodad
"""


def test_zones_are_accepted_in_all_addresses_plain_and_encoded(promise: Promise) -> None:
    reports = run_in_namespaces(PREPARE, "tests.faults.zones")
    for zone, found in reports.items():
        promise(f"all addresses have the zone {zone}", "shards, bus and HTTP work", found["log"][0])
        assert found["id"].startswith("[fe80::77%enP2p1s0]:")
        assert (found["http"], found["scrape"]) == (200, 200)
        assert found["message"] in ("Snapshot", "Delta", "Heartbeat", "LifecycleEvent", "Event")
        assert any("http://[fe80::77%25enP2p1s0]:" in line for line in found["log"])
    assert set(reports) == {"%enP2p1s0", "%25enP2p1s0"}
