"""Starts imposters: processes of another user with the name of a server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.discovery import imposter
from tests.spawning import command_prefix
from tests.waiting import wait_until

NOBODY = 65534
"""A user that is neither root nor zinfo's own."""

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/proc/self/comm").exists(),
    reason="only root, on Linux, starts a process of another user",
)


@contextmanager
def running_imposter(
    address: str | int, seen: Path, *options: str, uid: int = NOBODY
) -> Iterator[subprocess.Popen[bytes]]:
    """Run an imposter that listens.

    Args:
        address: its port or path.
        seen: file that it writes the received bytes to.
        options: options of the program.
        uid: the user that it runs as.
    """
    words = [sys.executable, imposter.__file__, str(uid), str(address), str(seen), *options]
    process = subprocess.Popen([*command_prefix(), *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        with process.stdout as stdout:
            assert stdout.readline() == b"ready\n"
            yield process
    finally:
        process.kill()
        process.wait()


def wait_for_commands(seen: Path, count: int) -> bytes:
    """Return what an imposter received, once that includes `count` INFO commands."""
    wait_until(lambda: seen.read_bytes().upper().count(b"$4\r\nINFO") >= count, what="INFO")
    return seen.read_bytes()
