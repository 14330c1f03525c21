"""Secrets mounted by Docker, Kubernetes and hosts: accepted if no other user can read them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.daemons import ROOT
from tests.promises import Promise

ACCEPTED = {
    "Docker 0444",
    "Kubernetes 0644",
    "Kubernetes 0440 with fsGroup",
    "Kubernetes 0644 with fsGroup",
    "disk, read-only 0440 with group",
    "disk, read-only 0400 of zinfo's",
    "directory 0750 of root and group",
    "directory 0700 of zinfo's",
}
REFUSED = {
    "tmpfs that can be written 0644": "have root chgrp it to 10001 and chmod 640 it",
    "disk, read-only 0644": "mount it with mode 0400 for user 10001, or 0440 for root and group",
    "directory 0755": "have root chgrp it to 10001 and chmod 640 it",
    "directory 0700 of another user": "have root chgrp it",
    "disk 0600 of another user": "belongs to user 12345, expected root or user 10001",
    # The mode is accepted, but only root can open the file.
    "Docker 0400 of root": "",
}


def unshared(*options: str) -> Sequence[str]:
    """Return what runs a command with mounts of its own."""
    return ("unshare", "--mount", "--propagation", "private", *options)


def _may_mount() -> bool:
    try:
        probe = [*unshared("--pid", "--fork", "--mount-proc"), "mount", "-t", "tmpfs", "x", "/mnt"]
        done = subprocess.run(probe, capture_output=True, check=False)
        return os.geteuid() == 0 and done.returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not _may_mount(), reason="only root may mount, with unshare")


def said(directory: Path, *options: str) -> dict[str, str]:
    directory.chmod(0o755)
    words = [
        *unshared(*options),
        sys.executable,
        "-m",
        "tests.security.mount_cases",
        str(directory),
    ]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return {line["case"]: line["permission_problem"] for line in lines}


def test_secrets_are_accepted_as_container_systems_mount_them(
    short_tmp: Path, promise: Promise
) -> None:
    found = said(short_tmp, "--pid", "--fork", "--mount-proc")
    wrong = {name: found[name] for name in ACCEPTED if found[name]}
    wrong |= {name: found[name] for name, text in REFUSED.items() if text not in found[name]}
    for name, text in found.items():
        promise(
            f"secret: {name}",
            "accepted" if name in ACCEPTED else "refused or unreadable",
            text or "taken",
        )
    assert wrong == {}
    assert found.keys() == ACCEPTED | REFUSED.keys()
    assert all("chmod 600" not in text for text in found.values())


def test_outside_a_container_a_read_only_mount_is_no_exception(
    short_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZI_FIRST_NAMESPACE", "1")
    found = said(short_tmp, "--pid", "--fork", "--mount-proc")
    for name in ("Docker 0444", "Kubernetes 0644"):
        assert "on a read-only mount" in found[name]
