"""A failover that only DNS announces: the old server lives on, with its connections."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemons import ROOT
from tests.promises import Promise

NAMESPACES = ("unshare", "--user", "--map-root-user", "--net", "--mount")
"""Begins a command that runs with a network and mounts of its own."""


def test_a_failover_by_dns_is_followed(tmp_path: Path, promise: Promise) -> None:
    pytest.importorskip("dnslib", reason="no name server: pip install dnslib")
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    prepare = f"ip link set lo up && mount --bind {resolv_conf} /etc/resolv.conf"
    try:
        subprocess.run([*NAMESPACES, "sh", "-c", prepare], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this system allows no namespaces of its own: {error}")
    program = f"{prepare} && exec {sys.executable} -m tests.faults.name_server"
    done = subprocess.run(
        [*NAMESPACES, "sh", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
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
