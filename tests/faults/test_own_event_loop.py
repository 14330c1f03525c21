"""Polling with libuv, the other event loop of gevent."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from tests.daemons import ROOT, RunningDaemon
from tests.faults.spinning import SPINS, cpu_per_wait
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until

LIBUV = {"GEVENT_LOOP": "libuv"}
POLLS = 20
"""Polls of one shard that the test waits for."""


def test_a_daemon_polls_on_libuv(server: RealServer, promise: Promise) -> None:
    config = f'[poll]\nmin_interval = 0.05\nmax_interval = 0.05\n[[shards]]\nurl = "{server.url}"\n'
    with RunningDaemon(config_text=config, environ=LIBUV) as daemon:

        def polls() -> int:
            stats = daemon.ask("stats").body
            assert isinstance(stats, dict)
            assert stats["poll"]["failures"] == {}
            return int(stats["poll"]["replies"])

        wait_until(lambda: polls() >= POLLS, what=f"{POLLS} polls")
        busy = cpu_per_wait(daemon.pid)
        maps = "".join(one.path for one in psutil.Process(daemon.pid).memory_maps())
        promise(
            "GEVENT_LOOP=libuv",
            f"{POLLS} polls, none fails, no warning; the loop waits between them",
            f"{polls()} polls; {1000 * busy:.1f} ms CPU a wait",
        )
        assert "libuv" in maps, "it uses libuv"
        assert busy < SPINS
        assert "UserWarning" not in daemon.log()


@pytest.mark.slow
def test_the_tests_of_the_callback_queue_and_of_polls_pass_on_libuv(promise: Promise) -> None:
    wanted = (
        "test_callback_queue.py",
        "test_bad_peers.py::test_a_reply_in_small_pieces_is_assembled",
    )
    command = [sys.executable, "-m", "gevent.monkey", "--module", "pytest", "-q"]
    # gevent warns of each sleep that is shorter than libuv's millisecond.
    command += ["-W", "ignore:libuv only supports:UserWarning", "-p", "no:cacheprovider"]
    command += [f"tests/gevent_side/{name}" for name in wanted]
    found = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **LIBUV}, capture_output=True, text=True, check=False
    )
    lines = found.stdout.strip().splitlines() or [found.stderr]
    promise("GEVENT_LOOP=libuv", "the tests of the callback queue and of polls pass", lines[-1])
    assert found.returncode == 0, found.stdout + found.stderr
