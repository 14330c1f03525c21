"""A failover that only DNS announces: the old server lives on, with its connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.namespaces import run_in_namespaces
from tests.promises import Promise


def test_a_failover_by_dns_is_followed(tmp_path: Path, promise: Promise) -> None:
    pytest.importorskip("dnslib", reason="no name server: pip install dnslib")
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    prepare = f"ip link set lo up && mount --bind {resolv_conf} /etc/resolv.conf"
    found = run_in_namespaces(prepare, "tests.faults.name_server")
    promise(
        "a name gets another address, and the old server lives on",
        "polled there, never down",
        f"{', '.join(found['types'])}: {found['message']}",
    )
    assert found["polled before"], "while the address was among others, and lookups failed"
    assert found["polled after"]
    assert found["old server lives"]
    assert found["reason"] == "dns"
    assert "db.zinfo.test no longer has the address 127.0.0.1, but 127.0.0.2" in found["message"]
    assert found["types"] == ["added", "up", "polling_error", "restarted"]
    assert any("cannot look db.zinfo.test up again" in line for line in found["log"])
